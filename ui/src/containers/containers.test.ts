import { describe, expect, test } from "vitest";
import type { ContainerListItem, Plan, PlanItem, Reason, Update, Verdict } from "../api/types";
import { en } from "../i18n/en";
import { zhCn } from "../i18n/zh-cn";
import { agentContainer } from "../servers/agent-container";
import { applies, entriesForOne } from "./actions";
import { expirySeconds } from "./away";
import { parseFilter } from "./filter";
import { containerAge, containerLook, containerTone, plannedPorts, publishedPorts, shortImage } from "./look";
import { changes, groups, isNews, labelledButActed } from "./plan-groups";
import { progress } from "./progress-count";
import {
  actionOf,
  canWait,
  chosen,
  isOfSeveral,
  onAll,
  onOne,
  onSeveral,
  replacement,
  restartAgent,
  undoOf,
  updateAgent,
} from "./requests";

const container = (part: Partial<ContainerListItem>): ContainerListItem => ({ name: "web", state: "running", ...part });

describe("the filter", () => {
  const all = [
    container({ name: "immich-web", image: "ghcr.io/immich:v1", project: "immich" }),
    container({ name: "immich-db", image: "postgres:16", state: "exited", project: "immich" }),
    container({ name: "agent", protected: [{ reason: "agent" }], ports: [{ PublicPort: 8120, PrivatePort: 80 }] }),
    container({ name: "sick", health: "unhealthy" }),
  ];
  const find = (text: string) =>
    all
      .filter(parseFilter(text))
      .map(({ name }) => name)
      .join(" ");
  test.each([
    ["", "immich-web immich-db agent sick"],
    ["IMMICH", "immich-web immich-db"],
    ["immich db", "immich-db"],
    ["state:exited image:postgres", "immich-db"],
    ["state:unhealthy", "sick"],
    ["is:protected", "agent"],
    ["-is:protected -stack:immich", "sick"],
    ["port:8120", "agent"],
    ["state:", "immich-web immich-db agent sick"],
    ["nonsense:x", ""],
  ])("%j finds %j", (text, found) => {
    expect(find(text)).toBe(found);
  });
});

describe("what lists show of a container", () => {
  test("ports bound on IPv4 and IPv6 are one", () => {
    expect(
      publishedPorts([
        { IP: "0.0.0.0", PublicPort: 8080, PrivatePort: 80, Type: "tcp" },
        { IP: "::", PublicPort: 8080, PrivatePort: 80, Type: "tcp" },
        { IP: "127.0.0.1", PublicPort: 53, PrivatePort: 53, Type: "udp" },
        { PrivatePort: 9000, Type: "tcp" },
      ]),
    ).toEqual(["8080→80", "localhost:53→53/udp"]);
  });

  test("ports of a plan on all addresses are said once", () => {
    expect(plannedPorts(["0.0.0.0:80/tcp", "[::]:80/tcp", "127.0.0.1:53/udp"])).toEqual(["80/tcp", "127.0.0.1:53/udp"]);
  });

  test("images lose their digest", () => {
    expect(shortImage("nginx:1@sha256:abc")).toBe("nginx:1");
    expect(shortImage("sha256:0123456789abcdef")).toBe("0123456789ab");
    expect(shortImage(null)).toBe("");
  });

  test("health counts while it runs, and only then", () => {
    expect(containerLook({ state: "running", health: "unhealthy" })).toBe("unhealthy");
    expect(containerLook({ state: "exited", health: "unhealthy" })).toBe("exited");
    expect(containerLook({ state: "" })).toBe("unknown");
  });

  test("age is the present run, or how it ended", () => {
    const now = 10_000_000;
    expect(containerAge(en, container({ started_at: now - 5 * 60_000 }), now)).toBe("5 min");
    expect(containerAge(zhCn, container({ started_at: now - 5 * 60_000 }), now)).toBe("5分钟");
    expect(containerAge(en, container({ state: "exited", status: "Exited (137) 2 hours ago" }), now)).toBe(
      "Exited (137)",
    );
    expect(containerAge(zhCn, container({ state: "exited", status: "Exited (137) 2 hours ago" }), now)).toBe(
      "已退出（137）",
    );
  });

  test("rows say who is unhealthy, by the same rule as the count", () => {
    const all = [
      container({ name: "ok", health: "healthy" }),
      container({ name: "failing", health: "unhealthy" }),
      container({ name: "crashing", state: "restarting", status: "Restarting (3) 5 seconds ago" }),
      container({ name: "dead", state: "dead" }),
      container({ name: "stopped", state: "exited", health: "unhealthy" }),
    ];
    const found = all.filter(parseFilter("is:unhealthy"));
    expect(found.map(({ name }) => name)).toEqual(["failing", "crashing", "dead"]);
    expect(found.every((one) => containerTone[containerLook(one)] === "bad")).toBe(true);
    expect(containerAge(en, all[2] as ContainerListItem, 0)).toBe("Keeps exiting (3)");
  });

  test("actions are offered where they make sense", () => {
    expect(applies("start", "exited")).toBe(true);
    expect(applies("start", "running")).toBe(false);
    expect(applies("unpause", "paused")).toBe(true);
    expect(applies("stop", "paused")).toBe(true);
  });
});

describe("the menu of a protected container", () => {
  const entries = (...codes: Reason["reason"][]) =>
    entriesForOne(en, { state: "running", protected: codes.map((reason) => ({ reason })) }, null, () => {});
  const find = (found: ReturnType<typeof entries>, id: string) => found.find((entry) => entry.id === id);

  test.each<[Reason["reason"]]>([["agent"], ["core"]])(
    "of %s: a restart is handed over, and it goes only on purpose",
    (code) => {
      const found = entries("label", code);
      expect(found.map(({ id, off, note }) => [id, off, note])).toEqual([
        ["restart", null, en.server.handedOver],
        ["pause", null, en.server.onlyDetached],
        ["stop", null, en.server.onlyDetached],
        ["destroy", null, en.server.onlyDetached],
      ]);
      const stopped = entriesForOne(en, { state: "exited", protected: [{ reason: code }] }, null, () => {});
      expect(find(stopped, "start")).toMatchObject({ off: null, note: undefined });
    },
  );

  test("of the agent of another server: what takes it away is refused, and says where to ask", () => {
    const reasons: Reason[] = [{ reason: "agent", detail: "lab" }, { reason: "label" }];
    const found = entriesForOne(en, { state: "running", protected: reasons }, null, () => {});
    for (const action of ["restart", "pause", "stop", "destroy"]) {
      expect(find(found, action)?.off).toBe(en.server.refusedNeighbour("lab"));
    }
    expect(find(found, "restart")?.off).toContain("lab");
    expect(agentContainer([container({ name: "theirs", protected: reasons })])).toBeUndefined();
    const own = container({ name: "own", protected: [{ reason: "agent" }] });
    expect(agentContainer([container({ name: "theirs", protected: reasons }), own])).toBe(own);
  });

  test("of an agent that is declared too: a reason is asked for before it is handed over", () => {
    const found = entries("agent", "declared");
    expect(find(found, "restart")?.note).toBe(en.server.asksForReason);
    expect(find(found, "stop")?.note).toBe(en.server.onlyDetached);
  });

  test.each<[Reason["reason"]]>([["agent-dependency"], ["core-dependency"], ["declared"]])(
    "of %s: it can be chosen, and asks for a reason",
    (code) => {
      expect(find(entries(code), "stop")).toMatchObject({ off: null, note: en.server.asksForReason });
    },
  );

  test("with only the label is like any other", () => {
    expect(find(entries("label"), "stop")).toMatchObject({ off: null, note: undefined });
  });
});

const item = (container: string, part: Partial<PlanItem> = {}): PlanItem => ({
  container,
  id: `id-${container}`,
  state: "running",
  effect: "act",
  ...part,
});

const plan = (...items: PlanItem[]): Plan => ({
  hash: "h",
  operation: "StopAllContainers",
  server: "s",
  server_name: "nas",
  items,
  counts: { act: 0, protected: 1, unchanged: 0, excluded: 0, refused: 0 },
  warnings: [],
  undo: true,
  as_of: 0,
});

const agent = item("agent", { effect: "skip", reason: { reason: "agent" }, protected: [{ reason: "agent" }] });

describe("requests", () => {
  test("carry what was chosen, and the hash of the plan that was looked at", () => {
    expect(chosen(onAll("stop", "nas"), { exclude: ["a"], override: null, plan: "h" })).toEqual({
      type: "StopAllContainers",
      params: { server: "nas", exclude: ["a"], plan: "h" },
    });
    expect(chosen(onOne("stop", "nas", "db"), { exclude: ["never"], override: "moving it", plan: "h" })).toEqual({
      type: "StopContainer",
      params: { server: "nas", container: "db", override: "moving it", plan: "h" },
    });
  });

  test("wait for a server that is away only for so long, and an undo carries nothing but its hash", () => {
    expect(chosen(onOne("stop", "nas", "db"), { exclude: [], override: null, expiresS: 3_600 })).toEqual({
      type: "StopContainer",
      params: { server: "nas", container: "db", when_back: true, expires_s: 3_600 },
    });
    expect(chosen(undoOf("u"), { exclude: ["x"], override: "why", plan: "h", expiresS: 1 })).toEqual({
      type: "UndoUpdate",
      params: { id: "u", plan: "h" },
    });
    expect(Object.values(expirySeconds)).toEqual([3_600, 86_400, 7 * 86_400]);
  });

  test("let the agent go only where that was said, and only those that take one away", () => {
    const meant = { exclude: [], override: null, plan: "h", detach: true };
    for (const action of ["stop", "pause", "destroy"] as const) {
      expect(chosen(onOne(action, "nas", "periphery"), meant).params).toEqual({
        server: "nas",
        container: "periphery",
        detach: true,
        plan: "h",
      });
      expect(chosen(onOne(action, "nas", "db"), { ...meant, detach: false }).params).not.toHaveProperty("detach");
    }
    expect(chosen(onOne("restart", "nas", "periphery"), meant).params).not.toHaveProperty("detach");
    expect(chosen(onAll("stop", "nas"), meant).params).not.toHaveProperty("detach");
    expect(chosen(onOne("stop", "nas", "periphery"), { ...meant, override: "why" }).params).toMatchObject({
      detach: true,
      override: "why",
    });
  });

  test("put a new container in the place of an agent, from the same name or another image", () => {
    const same = updateAgent("nas", { image: null });
    const other = updateAgent("nas", { image: "periphery:2" });
    expect(chosen(other, { exclude: ["x"], override: "why", detach: true, plan: "h" })).toEqual({
      type: "UpdatePeriphery",
      params: { server: "nas", image: "periphery:2", plan: "h" },
    });
    expect([same, undoOf("u")].some(canWait)).toBe(false);
    expect([same, undoOf("u"), onOne("stop", "nas", "db")].some(isOfSeveral)).toBe(false);
    expect([onAll("stop", "nas"), onOne("stop", "nas", "db")].every(canWait)).toBe(true);
    expect(same).toEqual({ type: "UpdatePeriphery", params: { server: "nas" } });
    expect([replacement(same), replacement(other)]).toEqual([{ image: null }, { image: "periphery:2" }]);
    expect([onOne("restart", "nas", "periphery"), onAll("stop", "nas")].map(replacement)).toEqual([null, null]);
  });

  test("put another program in the place of an agent, or start it again, by the plan that was looked at", () => {
    const program = updateAgent("nas", { version: "0.2.0" });
    const again = restartAgent("nas");
    const choice = { exclude: ["x"], override: "why", detach: true, plan: "h", expiresS: 60 };
    expect(chosen(program, choice)).toEqual({
      type: "UpdatePeriphery",
      params: { server: "nas", version: "0.2.0", plan: "h" },
    });
    expect(chosen(again, choice)).toEqual({ type: "RestartPeriphery", params: { server: "nas", plan: "h" } });
    expect([program, again].map(replacement)).toEqual([{ version: "0.2.0" }, null]);
    expect([program, again].map(actionOf)).toEqual(["restart", "restart"]);
    expect([program, again].some(canWait)).toBe(false);
    expect([program, again].some(isOfSeveral)).toBe(false);
  });

  test("know their action", () => {
    expect(actionOf(undoOf("u"))).toBe("undo");
    expect(actionOf(onAll("prune", "nas"))).toBe("prune");
    expect(actionOf(onOne("destroy", "nas", "x"))).toBe("destroy");
    expect(actionOf(onSeveral("pause", "nas", ["x"]))).toBe("pause");
  });
});

describe("a plan", () => {
  test("is shown with what is spared first", () => {
    const shown = groups(
      plan(
        item("web"),
        item("old", { effect: "skip", reason: { reason: "already" } }),
        item("mine", { effect: "skip", reason: { reason: "excluded" } }),
        agent,
      ),
    );
    expect(shown.map((group) => `${group.id}: ${group.items.map((i) => i.container)}`)).toEqual([
      "protected: agent",
      "act: web",
      "excluded: mine",
      "nothing: old",
    ]);
  });

  test("shows apart what is handed over and what goes on purpose", () => {
    const shown = groups(
      plan(item("web"), item("periphery", { effect: "hand-over" }), item("gone", { effect: "detach" }), agent),
    );
    expect(shown.map((group) => `${group.id}: ${group.items.map((i) => i.container)}`)).toEqual([
      "protected: agent",
      "handOver: periphery",
      "detach: gone",
      "act: web",
    ]);
  });

  test("says in the words of the page what it says of the agent, and all else as it comes", () => {
    const known = "'periphery' runs the agent: a helper restarts it, and nothing can be asked of this server meanwhile";
    const news = "web will be left without network: it shares that of 'vpn'";
    expect([known, known.replace("the agent", "Komodo Core"), news].filter(isNews)).toEqual([news]);
  });

  test("that drifted from a hand over to something else says so", () => {
    const before = plan(item("periphery", { effect: "hand-over" }));
    for (const effect of ["act", "refuse", "detach"] as const) {
      expect(changes(before, plan(item("periphery", { effect })))).toEqual([
        { kind: "effect", id: "id-periphery", name: "periphery" },
      ]);
    }
  });

  test("of a list of names leaves labelled ones unticked at first", () => {
    expect(labelledButActed(plan(item("web"), item("dns", { protected: [{ reason: "label" }] })))).toEqual(["id-dns"]);
  });

  test("that drifted says what changed", () => {
    const before = plan(item("web"), item("db"), item("gone"));
    const after = plan(
      item("web", { state: "exited" }),
      item("db", { effect: "skip", reason: { reason: "label" } }),
      item("new"),
    );
    expect(changes(before, after)).toEqual([
      { kind: "state", id: "id-web", name: "web", from: "running", to: "exited" },
      { kind: "effect", id: "id-db", name: "db" },
      { kind: "added", id: "id-new", name: "new" },
      { kind: "removed", id: "id-gone", name: "gone" },
    ]);
  });

  test.each<[string, Partial<PlanItem>]>([
    ["a port", { ports: ["0.0.0.0:81/tcp"] }],
    ["a volume", { volumes: ["data"] }],
    ["an image", { image: "web:2" }],
    ["what depends on it", { dependants: ["db"] }],
    ["a protection", { protected: [{ reason: "label" }] }],
    ["whether it comes back", { comes_back: true }],
    ["the bytes that go", { bytes: 7 }],
    ["the command that brings it back", { bring_back: "docker start web" }],
  ])("that drifted by %s says so", (_, part) => {
    const was = { ports: ["0.0.0.0:80/tcp"], image: "web:1" };
    expect(changes(plan(item("web", was)), plan(item("web", { ...was, ...part })))).toEqual([
      { kind: "facts", id: "id-web", name: "web" },
    ]);
    expect(changes(plan(item("web", was)), plan(item("web", { ...was })))).toEqual([]);
  });
});

describe("progress", () => {
  const verdict = (container: string, verdict: Verdict["verdict"]): Verdict => ({
    container,
    id: `id-${container}`,
    verdict,
    at: 0,
  });
  const update = (part: Partial<Update>): Update => ({
    operation: "StopAllContainers",
    start_ts: 0,
    success: true,
    operator: "",
    target: { type: "Server", id: "s" },
    status: "InProgress",
    logs: [],
    ...part,
  });
  const looked = plan(item("a"), item("b"), agent);

  test("counts only what is acted on", () => {
    const now = progress(looked, update({ verdicts: [verdict("a", "done"), verdict("agent", "skipped")] }));
    expect([now.settled, now.total, now.kept]).toEqual([1, 2, 1]);
    expect(now.lines.map((line) => `${line.name} ${line.verdict?.verdict ?? "-"}`)).toEqual([
      "a done",
      "b -",
      "agent skipped",
    ]);
  });

  test("counts what a helper does, and what goes on purpose", () => {
    const other = plan(item("periphery", { effect: "hand-over" }), item("gone", { effect: "detach" }), agent);
    const now = progress(other, update({ verdicts: [verdict("periphery", "done")] }));
    expect([now.settled, now.total]).toEqual([1, 2]);
  });

  test("shows failures first once it is over", () => {
    const over = progress(
      looked,
      update({ status: "Complete", verdicts: [verdict("a", "done"), verdict("b", "failed")] }),
    );
    expect(over.lines[0]?.name).toBe("b");
    expect(over.counts.failed).toBe(1);
  });

  test("tells what was not tried because it was canceled from what was left alone for another reason", () => {
    const untried: Verdict = { ...verdict("b", "skipped"), reason: { reason: "canceled" } };
    const other: Verdict = { ...verdict("agent", "skipped"), reason: { reason: "agent" } };
    const now = progress(looked, update({ status: "Complete", verdicts: [verdict("a", "done"), untried, other] }));
    expect([now.counts.done, now.untried, now.kept]).toEqual([1, 1, 1]);
  });

  test("waits only while it is open", () => {
    const waiting_for = { server: "nas" };
    expect(progress(looked, update({ waiting_for })).waiting).toBe(true);
    expect(progress(looked, update({ waiting_for, status: "Complete" })).waiting).toBe(false);
  });
});
