// The commands that join a server. Every one of them carries the label that keeps bulk operations away from the agent.

export interface JoinParts {
  /** Address of Core as the new server reaches it, `https://komodo.example.com`. */
  core: string;
  /** Join string, shown once. */
  key: string;
  /** Name that the server gets. */
  name: string;
}

/** Image that `scripts/images` makes; none is published yet. */
const AGENT_IMAGE = "komodo-periphery:local";

/** One argument for a POSIX shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The agent as a container; it takes the address of Core as people write it. */
export function containerCommand({ core, key, name }: JoinParts, image = AGENT_IMAGE): string {
  return [
    "docker run -d --name komodo-periphery --network host --init --restart always --label komodo.skip=true",
    "-v /var/run/docker.sock:/var/run/docker.sock -v /etc/komodo:/etc/komodo",
    `-e ${quoted(`PERIPHERY_CORE_ADDRESS=${core}`)}`,
    `-e ${quoted(`PERIPHERY_CONNECT_AS=${name}`)}`,
    `-e ${quoted(`PERIPHERY_ONBOARDING_KEY=${key}`)}`,
    image,
  ].join(" \\\n  ");
}

export function programCommand({ core, key, name }: JoinParts): string {
  return [
    `PERIPHERY_CORE_ADDRESS=${quoted(core)}`,
    `PERIPHERY_CONNECT_AS=${quoted(name)}`,
    `PERIPHERY_ONBOARDING_KEY=${quoted(key)}`,
    "PERIPHERY_ROOT_DIRECTORY=/etc/komodo",
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
