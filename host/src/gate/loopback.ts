/** Whether the other end of a connection is on this machine. A local socket has no address. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined || address === '') return true;
  const bare = address.replace(/^::ffff:/, '');
  return bare === '::1' || bare.startsWith('127.');
}
