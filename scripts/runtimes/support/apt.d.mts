/** The Debian mirrors of a machine, likeliest first, read from its apt folder (`/etc/apt` when left out). */
export function debianMirrors(etc?: string): string[];
