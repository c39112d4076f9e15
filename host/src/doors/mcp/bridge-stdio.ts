export interface BridgeOptions { readonly url: string }
export async function bridgeMcpStdio(_options: BridgeOptions): Promise<void> {}
