/** Where a plugin may listen: a name of gRPC with its scheme, or a bare `host:port`. */
export const pluginAddress =
  /^(?:unix:(?!\/\/[^/]).*[^\s/]|(?:unix-abstract|ipv4|ipv6):[^\s/]\S*|dns:(?:\/\/[^\s/]*\/)?[^\s/]+|(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?):[0-9]{1,5})$/;

/** The forms, for messages. */
export const addressForms = 'unix:/run/name.sock, dns:///name:port, ipv4:a.b.c.d:port or host:port';
