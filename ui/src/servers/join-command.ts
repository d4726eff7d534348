// The commands that join a server. Every one of them carries the label that keeps bulk operations away from the agent.

export interface JoinParts {
  /** Address of Core as the new server reaches it, `https://komodo.example.com`. */
  core: string;
  /** Join string, shown once. */
  key: string;
  /** Name that the server gets. */
  name: string;
}

const AGENT_IMAGE = "ghcr.io/komodo/periphery:latest";

/** One argument for a POSIX shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Core by its web socket scheme is derived by the agent; it takes the address as people write it. */
export function containerCommand({ core, key, name }: JoinParts, image = AGENT_IMAGE): string {
  return [
    "docker run -d --name komodo-periphery",
    "--restart unless-stopped --network host",
    "--label komodo.skip",
    "-v /var/run/docker.sock:/var/run/docker.sock",
    "-v /proc:/proc",
    "-v komodo-periphery:/etc/komodo",
    `-e ${quoted(`PERIPHERY_CORE_ADDRESS=${core}`)}`,
    `-e ${quoted(`PERIPHERY_CONNECT_AS=${name}`)}`,
    `-e ${quoted(`PERIPHERY_ONBOARDING_KEY=${key}`)}`,
    image,
  ].join(" \\\n  ");
}

export function programCommand({ core, key, name }: JoinParts): string {
  return [
    `${quoted(`PERIPHERY_CORE_ADDRESS`)}=${quoted(core)}`,
    `PERIPHERY_CONNECT_AS=${quoted(name)}`,
    `PERIPHERY_ONBOARDING_KEY=${quoted(key)}`,
    "komodo-periphery",
  ].join(" \\\n  ");
}

/** Whether an address means the machine itself, so that no other machine reaches Core by it. */
export function isLoopback(address: string): boolean {
  try {
    const host = new URL(address).hostname;
    return host === "localhost" || host.endsWith(".localhost") || host.startsWith("127.") || host === "[::1]";
  } catch {
    return false;
  }
}
