// The real programs, started by the tests: Core with a fresh database, simulated servers that dial it, and a private
// Docker Engine with an agent in a container. Nothing here stands in for them.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const PROJECT = resolve(import.meta.dirname, "../..");
const PROGRAMS = process.env.KOMODO_PROGRAMS ?? join(PROJECT, "target/debug");
/** Time that a program may take to be ready, ms. */
const START_MS = 30_000;
const POLL_MS = 50;
/** Numbers of architectures in the head of a program. */
const MACHINES = { x86_64: 62, aarch64: 183 } as const;
export type Architecture = keyof typeof MACHINES;
/** That of simulated agents: this machine's. */
export const ARCHITECTURE: Architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
/** Port of a Core in a container. */
const CORE_PORT = 9120;

export const ADMIN = { username: "admin", password: "correct horse battery" };

/** Waits until something holds; the deadline fails the test with what was waited for. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | undefined | false>,
  ms = START_MS,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain until ${what}`);
    await new Promise((go) => setTimeout(go, POLL_MS));
  }
}

async function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address && typeof address === "object" ? done(address.port) : fail(new Error("no port"))));
    });
  });
}

async function ended(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((done) => child.once("exit", done));
}

function start(name: string, args: string[], env: Record<string, string>, log: string): ChildProcess {
  const out = openSync(log, "a");
  // By its mark a test run finds what it left behind.
  const { PATH = "", KOMODO_TEST_RUN = "" } = process.env;
  return spawn(join(PROGRAMS, name), args, {
    env: { PATH, KOMODO_TEST_RUN, ...env },
    stdio: ["ignore", out, out],
  });
}

/** What the tests read of an Update. */
export interface Update {
  _id: { $oid: string };
  status: string;
  success: boolean;
  stage?: string;
  canceled_by?: string;
  undoes?: string;
  undone_by?: string;
  other_data?: string;
  verdicts?: { container: string; verdict: string; reason?: { reason: string } }[];
}

/** Simulated servers. */
export interface SimOptions {
  servers: number;
  containers: number;
  /** How their names begin. */
  name?: string;
  key?: string;
  /** Further containers, as lines: `dns running protect=true`. */
  also?: readonly string[];
  /** The container that the agent runs in; one of those in `also`. */
  agentContainer?: string;
  /** The unit of systemd that the agent runs as, in place of a container. */
  service?: string;
  /** Why the program of that service cannot be replaced. */
  fixed?: string;
  /** What programs of a version do that such an agent is updated to, `0.2.0=cannot-start`. */
  programs?: readonly string[];
  /** What agents do that are made from an image, `agent:2=cannot-start`. */
  images?: readonly string[];
  /** How long each action on a container takes, ms. */
  latency?: number;
}

export interface CoreOptions {
  /** Tests with the same name share one Core. */
  name?: string;
  /** Whether the administrator is there from the start; else the first visitor needs the setup token. */
  admin?: boolean;
  /** Address to listen on. */
  address?: string;
  env?: Record<string, string>;
}

export class Core {
  #child: ChildProcess | null = null;
  #token: string | null = null;
  readonly directory = mkdtempSync(join(tmpdir(), "komodo-e2e-"));
  readonly #others: ChildProcess[] = [];

  private constructor(
    readonly port: number,
    readonly options: CoreOptions,
  ) {}

  static async start(options: CoreOptions = {}): Promise<Core> {
    const core = new Core(await freePort(), options);
    await core.up();
    return core;
  }

  /** A Core in a container of an Engine, as users run it: its data in a folder of the host, a published port. */
  static async inContainer(engine: Engine, container: string, options: CoreOptions = {}): Promise<Core> {
    const core = new Core(CORE_PORT, { ...options, address: engine.address });
    engine.core(container, core.directory, CORE_PORT, core.#environment("/data"));
    await core.#answers(() => null);
    return core;
  }

  get url() {
    return `http://${this.options.address ?? "127.0.0.1"}:${this.port}`;
  }

  get log() {
    return readFileSync(join(this.directory, "core.log"), "utf8");
  }

  /** Its settings, with the data in a folder as it names it. */
  #environment(data: string): Record<string, string> {
    const { admin = true, env = {} } = this.options;
    return {
      KOMODO_PORT: String(this.port),
      KOMODO_HOST: this.url,
      KOMODO_DATA_DIRECTORY: data,
      KOMODO_JWT_SECRET: "a secret that outlives a restart of Core",
      ...(admin ? { KOMODO_INIT_ADMIN_USERNAME: ADMIN.username, KOMODO_INIT_ADMIN_PASSWORD: ADMIN.password } : {}),
      ...env,
    };
  }

  /** Starts it, also again on the same data and port. */
  async up() {
    const { address = "127.0.0.1" } = this.options;
    const environment = { KOMODO_BIND_IP: address, ...this.#environment(this.data) };
    const child = start("komodo-core", [], environment, join(this.directory, "core.log"));
    this.#child = child;
    await this.#answers(() => (child.exitCode === null ? null : this.log));
  }

  /** Waits until it answers; `ended` tells what it said where it has ended instead. */
  async #answers(ended: () => string | null) {
    await until("Core answers", async () => {
      const log = ended();
      if (log !== null) throw new Error(`Core ended: ${log}`);
      return fetch(`${this.url}/health`).then(
        (answer) => answer.ok,
        () => false,
      );
    });
  }

  /** Folder of its data. */
  get data() {
    return join(this.directory, "data");
  }

  async down(signal: NodeJS.Signals = "SIGTERM") {
    const child = this.#child;
    this.#child = null;
    if (!child) return;
    child.kill(signal);
    await ended(child);
  }

  /** Ends everything that was started and forgets it. */
  async stop() {
    for (const child of this.#others) child.kill("SIGKILL");
    await Promise.all(this.#others.map(ended));
    await this.down("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }

  async token(): Promise<string> {
    this.#token ??= (
      (await this.#post("auth/login/LoginLocalUser", ADMIN, null)) as { data: { jwt: string } }
    ).data.jwt;
    return this.#token;
  }

  /** Sends a request as the administrator; a refusal is an error. */
  async call<T>(path: string, params: object): Promise<T> {
    return (await this.#post(path, params, await this.token())) as T;
  }

  async #post(path: string, params: object, token: string | null): Promise<unknown> {
    const answer = await fetch(`${this.url}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(token ? { authorization: token } : {}) },
      body: JSON.stringify(params),
    });
    const body: unknown = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${JSON.stringify(body)}`);
    return body;
  }

  async joinKey(): Promise<string> {
    return (await this.call<{ private_key: string }>("write/CreateOnboardingKey", { name: "e2e", expires: 0 }))
      .private_key;
  }

  /** Simulated servers that dial this Core; returns how to end them. */
  async simulate(options: SimOptions): Promise<() => Promise<void>> {
    const { servers, containers, name = "sim-", also = [], agentContainer, images = [], latency = 0 } = options;
    const { service, fixed, programs = [] } = options;
    const key = options.key ?? (await this.joinKey());
    const child = start(
      "komodo-sim",
      [
        "--core",
        `ws://127.0.0.1:${this.port}`,
        "--agents",
        String(servers),
        "--containers",
        String(containers),
        "--name",
        name,
        // With the same name they come back as the same servers.
        "--keys",
        join(this.directory, "keys"),
        "--latency",
        String(latency),
        ...also.flatMap((line) => ["--container", line]),
        ...(agentContainer ? ["--agent-container", agentContainer] : []),
        ...(service ? ["--service", service] : []),
        ...(fixed ? ["--fixed", fixed] : []),
        ...programs.flatMap((line) => ["--program", line]),
        ...images.flatMap((line) => ["--image", line]),
      ],
      { KOMODO_SIM_ONBOARDING_KEY: key },
      join(this.directory, "sim.log"),
    );
    this.#others.push(child);
    if (options.key === undefined) {
      await until("the simulated servers are connected", async () => {
        const all = await this.servers();
        return all.filter((server) => server.name.startsWith(name) && server.info.state === "Ok").length === servers;
      });
    }
    return async () => {
      child.kill("SIGKILL");
      await ended(child);
    };
  }

  /** Puts a program of the agent there, as an administrator does; what it does is up to who pretends to run it. */
  addProgram(version: string, architecture: Architecture = ARCHITECTURE, bytes = 2_000_000) {
    const file = join(this.directory, `program-${version}`);
    // The head of a program for Linux, 64 bit, little endian.
    const content = Buffer.alloc(bytes, version);
    content.write("\x7fELF\x02\x01\x01", 0, "latin1");
    content.writeUInt16LE(MACHINES[architecture], 18);
    writeFileSync(file, content);
    execFileSync(join(PROGRAMS, "komodo-core"), ["agents", "add", file, "--version", version], {
      timeout: START_MS,
      env: { KOMODO_DATA_DIRECTORY: this.data },
    });
    rmSync(file);
  }

  servers() {
    return this.call<{ id: string; name: string; info: { state: string; version?: string } }[]>("read/ListServers", {});
  }

  containers(server: string) {
    return this.call<{ id: string; name: string; state: string; image?: string; protected?: { reason: string }[] }[]>(
      "read/ListContainers",
      { server },
    );
  }

  update(id: string) {
    return this.call<Update>("read/GetUpdate", { id });
  }

  /** The newest Update. */
  async newest() {
    const { updates } = await this.call<{ updates: { id: string }[] }>("read/ListUpdates", { page: 0 });
    return this.update(updates[0]?.id ?? "");
  }

  /** Does something to containers, waits for its end, and returns the id of its Update. */
  async execute(name: string, params: object): Promise<string> {
    const { _id } = await this.call<Update>(`execute/${name}`, params);
    await until(`${name} has ended`, async () => (await this.update(_id.$oid)).status === "Complete");
    return _id.$oid;
  }

  /** By name, the states of the containers of a server. */
  async states(server: string): Promise<Record<string, string>> {
    return Object.fromEntries((await this.containers(server)).map(({ name, state }) => [name, state]));
  }
}

/** A private Docker Engine; see scripts/engine. The host's own is never used. */
export class Engine {
  private constructor(
    readonly name: string,
    readonly socket: string,
    /** Address of this machine as the Engine's containers reach it. */
    readonly hostAddress: string,
    /** Address of the Engine, at which ports of its containers are published. */
    readonly address: string,
  ) {}

  static start(): Engine {
    const name = `e2e-${process.pid}`;
    const lines = execFileSync(join(PROJECT, "scripts/engine"), ["start", name], {
      encoding: "utf8",
      timeout: 180_000,
    });
    const value = (key: string) => {
      const found = new RegExp(`${key}=(\\S+)`).exec(lines)?.[1];
      if (!found) throw new Error(`scripts/engine start did not say ${key}: ${lines}`);
      return found;
    };
    return new Engine(name, value("DOCKER_HOST"), value("KOMODO_ENGINE_HOST_ADDRESS"), value("KOMODO_ENGINE_ADDRESS"));
  }

  docker(...args: string[]): string {
    return execFileSync("docker", args, {
      encoding: "utf8",
      timeout: 60_000,
      env: { PATH: process.env.PATH ?? "", DOCKER_HOST: this.socket },
    }).trim();
  }

  #load(...args: string[]) {
    const archive = execFileSync(join(PROJECT, "scripts/engine"), args, { encoding: "utf8", timeout: 120_000 });
    this.docker("load", "--quiet", "--input", archive.trim().split("\n").at(-1) ?? "");
  }

  /** Containers that run, and write a line each half second. */
  run(names: readonly string[]) {
    this.#load("images");
    for (const name of names) {
      this.docker(
        "run", "--detach", "--init", "--name", name, "--env", "TZ=UTC", "--env", "DB_PASSWORD=hunter2", "komodo-test/busybox:1",
        "sh", "-c", "n=0; while true; do n=$((n+1)); echo line $n of $HOSTNAME; echo warning $n >&2; sleep 0.5; done",
      ); // biome-ignore format: one word after the other, as in a shell
    }
  }

  /** A container that does not end when it is asked to: it takes ten seconds to stop. */
  stubborn(name: string) {
    this.docker(
      "run",
      "--detach",
      "--name",
      name,
      "komodo-test/busybox:1",
      "sh",
      "-c",
      "trap '' TERM; while true; do sleep 1; done",
    );
  }

  /** Core in a container, with its data in a folder of this machine. */
  core(container: string, data: string, port: number, environment: Record<string, string>) {
    this.#load("image", join(PROGRAMS, "komodo-core"), "komodo-test/core:1");
    this.docker(
      "run", "--detach", "--name", container, "--label", "komodo.skip=true", "--restart", "always",
      "--publish", `${port}:${port}`, "--volume", `${data}:/data`,
      ...Object.entries(environment).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
      "komodo-test/core:1",
    ); // biome-ignore format: one word after the other, as in a shell
  }

  /** The agent in a container, joined to Core as a server of that name. */
  agent(core: Core, server: string, key: string, container: string) {
    this.#load("image", join(PROGRAMS, "komodo-periphery"), "komodo-test/periphery:1");
    const state = mkdtempSync(join(core.directory, "agent-"));
    writeFileSync(join(state, "key"), key, { mode: 0o600 });
    const environment = {
      PERIPHERY_ROOT_DIRECTORY: "/etc/komodo",
      PERIPHERY_CORE_ADDRESS: core.url.replace("http:", "ws:"),
      PERIPHERY_ONBOARDING_KEY_FILE: "/etc/komodo/key",
      PERIPHERY_CONNECT_AS: server,
    };
    this.docker(
      "run",
      "--detach",
      "--name",
      container,
      "--label",
      "komodo.skip",
      "--volume",
      `${this.socket.replace("unix://", "")}:/var/run/docker.sock`,
      "--volume",
      `${state}:/etc/komodo`,
      ...Object.entries(environment).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
      "komodo-test/periphery:1",
    );
  }

  stop() {
    execFileSync(join(PROJECT, "scripts/engine"), ["stop", this.name], { timeout: 60_000 });
  }
}
