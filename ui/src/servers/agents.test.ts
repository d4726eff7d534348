import { describe, expect, test } from "vitest";
import type { Program, ServerAgent, ServerListItem } from "../api/types";
import { en } from "../i18n/en";
import { agentForm, programsFor, restartOff, updateOff, versionsFor } from "./agent-programs";
import { leftOut, preview, type RollChoice } from "./roll";

const program = (version: string, architecture = "x86_64"): Program => ({
  version,
  architecture,
  bytes: 12_000_000,
  sha256: `${version} ${architecture}`,
  signature: "",
});

const service = (part: Partial<NonNullable<ServerAgent["service"]>> = {}) => ({
  unit: "komodo-periphery.service",
  user: false,
  sha256: "old",
  ...part,
});

const server = (
  name: string,
  agent: Partial<ServerAgent> | null,
  info: Partial<ServerListItem["info"]> = {},
): ServerListItem =>
  ({
    id: name,
    name,
    info: {
      state: "Ok",
      region: "",
      agent: agent && { version: "0.1.0", in_container: false, level: 3, architecture: "x86_64", ...agent },
      ...info,
    },
  }) as unknown as ServerListItem;

describe("the agent of a server", () => {
  test("is a service where it says so, also inside of a container", () => {
    expect(agentForm({ in_container: false, service: service() })).toBe("service");
    expect(agentForm({ in_container: true, service: service() })).toBe("service");
    expect(agentForm({ in_container: true })).toBe("container");
    expect(agentForm({ in_container: false, service: null })).toBe("neither");
  });

  test("is restarted and updated where something can do it, and says why where nothing can", () => {
    const off = (it: ServerListItem) => [restartOff(en, it), updateOff(en, it)];
    expect(off(server("a", { service: service() }))).toEqual([null, null]);
    expect(off(server("b", { in_container: true }))).toEqual([null, null]);
    expect(off(server("c", {}))).toEqual([en.agent.neither, en.agent.neither]);
    const fixed = "its folder /usr is read-only";
    expect(off(server("d", { service: service({ fixed }) }))).toEqual([null, en.agent.fixed(fixed)]);
    const away = server("e", { service: service() }, { state: "NotOk", reason: { code: "unreachable", why: "" } });
    const why = en.server.disabledBecause(en.serverReasons.unreachable);
    expect(off(away)).toEqual([why, why]);
  });

  test("is offered the programs for its architecture alone, in their order", () => {
    const all = [program("0.3.0", "aarch64"), program("0.3.0"), program("0.2.0")];
    expect(programsFor(all, "x86_64").map(({ version }) => version)).toEqual(["0.3.0", "0.2.0"]);
    expect(programsFor(all, "riscv64")).toEqual([]);
  });

  test("of many servers are offered the versions that one of the services can run", () => {
    const all = [
      program("0.4.0", "riscv64"),
      program("0.3.0", "aarch64"),
      program("0.2.0", "aarch64"),
      program("0.2.0"),
    ];
    const one = server("one", { service: service() });
    const other = server("other", { service: service(), architecture: "aarch64" });
    const contained = server("contained", { in_container: true, architecture: "riscv64" });
    expect(versionsFor(all, [one, contained])).toEqual(["0.2.0"]);
    expect(versionsFor(all, [one, other])).toEqual(["0.3.0", "0.2.0"]);
    expect(versionsFor(all, [contained])).toEqual([]);
  });
});

describe("a roll", () => {
  const programs = [program("0.2.0"), program("0.1.0"), program("0.1.0", "aarch64")];
  const choice = (servers: ServerListItem[], part: Partial<RollChoice> = {}): RollChoice => ({
    servers,
    image: "periphery:2",
    version: "0.2.0",
    programs,
    waveSize: 2,
    ...part,
  });
  const names = (servers: readonly ServerListItem[]) => servers.map(({ name }) => name);

  test("begins with the first that can be updated, alone, and goes on in waves", () => {
    const away = server("away", { in_container: true }, { state: "NotOk" });
    const many = ["b", "c", "d", "e"].map((name) => server(name, { in_container: true }));
    const plan = preview(choice([away, ...many]));
    expect(plan.first?.name).toBe("b");
    expect(plan.waves.map(names)).toEqual([["c", "d"], ["e"]]);
    expect(plan.leftOut.map(({ server: { name }, why }) => [name, why])).toEqual([["away", "away"]]);
    expect(names(preview(choice([...many].reverse())).waves[0] ?? [])).toEqual(["d", "c"]);
  });

  test("leaves nobody out without saying why", () => {
    const asked: Parameters<typeof leftOut>[1] = { image: "periphery:2", version: "0.2.0", programs };
    const why = (agent: Partial<ServerAgent> | null, given = asked) => leftOut(server("x", agent), given);
    expect(why({ in_container: true })).toBeNull();
    expect(why({ in_container: true }, { ...asked, image: null })).toBe("noImage");
    expect(why({ service: service() })).toBeNull();
    expect(why({ service: service() }, { ...asked, version: null })).toBe("noVersion");
    expect(why({ service: service(), architecture: "aarch64" })).toBe("noProgram");
    expect(why({ service: service({ fixed: "read-only" }) })).toBe("fixed");
    expect(why({ service: service({ fixed: "read-only", sha256: "0.2.0 x86_64" }) })).toBe("already");
    // One inside of a container is replaced with it where no version is chosen.
    expect(why({ service: service(), in_container: true }, { ...asked, version: null })).toBeNull();
    expect(why({})).toBe("neither");
    expect(why({ in_container: true, level: 2 })).toBe("old");
    expect(why({ in_container: true, skew: "too_old" })).toBe("old");
    expect(why(null)).toBe("away");
  });

  test("of nobody is of nobody", () => {
    const plan = preview(choice([server("x", {})]));
    expect([plan.first, plan.waves]).toEqual([null, []]);
  });
});
