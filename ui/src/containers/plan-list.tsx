// The containers of a plan or of a running operation, in groups, of any number.
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowLeftRight, CircleAlert, CircleMinus, CircleSlash, ShieldCheck, Unplug } from "lucide-react";
import { type ReactNode, useMemo, useRef, useState } from "react";
import type { ContainerState, PlanItem, PlannedAction } from "../api/types";
import type { Words } from "../i18n/en";
import { bytes } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Chip } from "../parts/chip";
import { Checkbox, SearchField } from "../parts/field";
import { actionIcons } from "./actions";
import { reasonText, StateChip } from "./chips";
import { plannedPorts } from "./look";
import styles from "./plan.module.css";
import { type Change, type Group, type GroupId, isUnit } from "./plan-groups";
import type { Replacement } from "./requests";

/** From how many rows on a filter helps. */
const FILTER_FROM = 20;

type Line = { kind: "head"; group: Group } | { kind: "item"; group: GroupId; item: PlanItem };

interface PlanListProps {
  groups: readonly Group[];
  action: PlannedAction;
  /** Leaves out or takes in; absent where one container was named. */
  onInclude?: (id: string, include: boolean) => void;
  /** What has changed since it was looked at; those rows are marked. */
  changed?: readonly Change[] | null;
  /** By id: the state that an undo brings it back to. */
  backTo?: ReadonlyMap<string, ContainerState>;
  /** Reason for which a protected one is acted on. */
  override?: string | null;
  /** What a helper puts in the place of what the agent runs from; null where it puts nothing there. */
  replaced?: Replacement | null;
}

function headWords(words: Words, action: PlannedAction, group: Group): string {
  const n = group.items.length;
  switch (group.id) {
    case "protected":
      return words.actions[action].keeps(n);
    case "act":
      return words.actions[action].will(n);
    case "handOver":
      return words.handOver.will(n);
    case "detach":
      return words.detach.will(n);
    case "excluded":
      return words.plan.excluded(n);
    case "refused":
      return words.plan.refused(n);
    case "nothing":
      return words.plan.nothing(n);
  }
}

const headIcons: Record<Exclude<GroupId, "act">, ReactNode> = {
  protected: <ShieldCheck size={15} aria-hidden="true" />,
  refused: <ShieldCheck size={15} aria-hidden="true" />,
  handOver: <ArrowLeftRight size={15} aria-hidden="true" />,
  detach: <Unplug size={15} aria-hidden="true" />,
  excluded: <CircleMinus size={15} aria-hidden="true" />,
  nothing: <CircleSlash size={15} aria-hidden="true" />,
};

export function PlanList({ groups, action, onInclude, changed, backTo, override, replaced }: PlanListProps) {
  const words = useWords();
  const [filter, setFilter] = useState("");
  const scroll = useRef<HTMLDivElement>(null);
  const total = groups.reduce((sum, group) => sum + group.items.length, 0);
  const lines = useMemo(() => {
    const part = filter.trim().toLowerCase();
    return groups.flatMap((group): Line[] => {
      const items = part
        ? group.items.filter((item) => `${item.container} ${item.project ?? ""}`.toLowerCase().includes(part))
        : group.items;
      if (items.length === 0) return [];
      return [{ kind: "head", group }, ...items.map((item): Line => ({ kind: "item", group: group.id, item }))];
    });
  }, [groups, filter]);
  const marked = useMemo(() => new Set(changed?.map(({ id }) => id)), [changed]);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroll.current,
    estimateSize: (index) => (lines[index]?.kind === "head" ? 40 : 44),
    getItemKey: (index) => {
      const line = lines[index];
      return line?.kind === "item" ? line.item.id : (line?.group.id ?? index);
    },
    overscan: 10,
  });
  return (
    <>
      {total >= FILTER_FROM && <SearchField label={words.plan.filter} value={filter} onChange={setFilter} />}
      <div ref={scroll} className={styles.list} tabIndex={0} role="region" aria-label={words.plan.filter}>
        <div className={styles.lines} style={{ height: virtual.getTotalSize() }} role="list">
          {virtual.getVirtualItems().map((at) => {
            const line = lines[at.index];
            if (!line) return null;
            return (
              <div
                key={at.key}
                ref={virtual.measureElement}
                data-index={at.index}
                className={styles.line}
                style={{ transform: `translateY(${at.start}px)` }}
                role="listitem"
              >
                {line.kind === "head" ? (
                  <div className={`${styles.groupHead} ${styles[line.group.id] ?? ""}`}>
                    {line.group.id === "act" ? actionIcons[action] : headIcons[line.group.id]}
                    <h3>{headWords(words, action, line.group)}</h3>
                    {line.group.id === "act" && action === "stop" && (
                      <span className={styles.fact}>{words.plan.staysDown}</span>
                    )}
                  </div>
                ) : (
                  <ItemLine
                    item={line.item}
                    group={line.group}
                    action={action}
                    onInclude={onInclude}
                    changed={marked.has(line.item.id)}
                    backTo={backTo?.get(line.item.id)}
                    override={override}
                    replaced={replaced}
                  />
                )}
              </div>
            );
          })}
        </div>
      </div>
    </>
  );
}

interface ItemLineProps {
  item: PlanItem;
  group: GroupId;
  action: PlannedAction;
  onInclude?: (id: string, include: boolean) => void;
  changed: boolean;
  backTo?: ContainerState;
  override?: string | null;
  replaced?: Replacement | null;
}

function ItemLine({ item, group, action, onInclude, changed, backTo, override, replaced }: ItemLineProps) {
  const words = useWords();
  const pickable = onInclude && (group === "act" || group === "excluded");
  return (
    <div className={styles.item} data-changed={changed || undefined}>
      {onInclude && (
        <span className={styles.pick}>
          {pickable && (
            <Checkbox
              label={words.plan.include(item.container)}
              on={group === "act"}
              onChange={(on) => onInclude(item.id, on)}
            />
          )}
        </span>
      )}
      <div className={styles.itemName}>
        <span className={styles.itemTitle}>
          <strong>{item.container}</strong>
          {item.project && <span className={styles.stack}>{item.project}</span>}
          {changed && (
            <Chip tone="warn" icon={<CircleAlert size={13} aria-hidden="true" />}>
              {words.plan.changed}
            </Chip>
          )}
        </span>
        <Consequences
          item={item}
          group={group}
          action={action}
          backTo={backTo}
          override={override}
          replaced={replaced}
        />
      </div>
      <StateChip state={item.state} />
    </div>
  );
}

/** What a helper does to the one that is handed over. */
function handOverText(words: Words, replaced: Replacement | null): string {
  if (replaced === null) return words.handOver.restarts;
  if ("version" in replaced) return words.handOver.exchanges(replaced.version);
  return replaced.image === null ? words.handOver.replaces : words.handOver.replacesBy(replaced.image);
}

function Consequences({
  item,
  group,
  action,
  backTo,
  override,
  replaced,
}: Omit<ItemLineProps, "onInclude" | "changed">) {
  const words = useWords();
  const facts: string[] = [];
  if (group === "protected" || group === "refused") {
    const reasons = item.protected?.length ? item.protected : item.reason ? [item.reason] : [];
    facts.push(...reasons.map((reason) => reasonText(words, reason)));
  } else if (group === "nothing" && item.reason) {
    facts.push(reasonText(words, item.reason));
  } else if (group === "handOver") {
    facts.push(...(item.protected ?? []).map((reason) => reasonText(words, reason)));
    if (isUnit(item)) facts.push(words.handOver.service);
    facts.push(handOverText(words, replaced ?? null));
    if (item.ports?.length) facts.push(words.handOver.ports(plannedPorts(item.ports).join(", ")));
    if (item.dependants?.length) facts.push(words.plan.dependants(item.dependants.join(", ")));
    if (override) facts.push(words.plan.overridden(override));
  } else if (group === "detach") {
    facts.push(...(item.protected ?? []).map((reason) => reasonText(words, reason)));
    if (item.ports?.length) facts.push(words.plan.ports(plannedPorts(item.ports).join(", ")));
    if (item.dependants?.length) facts.push(words.plan.dependants(item.dependants.join(", ")));
    if (item.volumes?.length) facts.push(words.plan.volumes(item.volumes.join(", ")));
    if (override) facts.push(words.plan.overridden(override));
  } else if (group === "act") {
    if (action === "undo" && backTo) facts.push(words.undo.back(words.containerStates[backTo]));
    if (item.ports?.length) facts.push(words.plan.ports(plannedPorts(item.ports).join(", ")));
    if (item.dependants?.length) facts.push(words.plan.dependants(item.dependants.join(", ")));
    if (action === "stop" && item.comes_back) facts.push(words.plan.comesBack);
    if (item.volumes?.length) facts.push(words.plan.volumes(item.volumes.join(", ")));
    if (item.bytes) facts.push(words.plan.frees(bytes(words.locale, item.bytes)));
    if (item.protected?.length) facts.push(override ? words.plan.overridden(override) : words.plan.protectedActs);
  }
  return (
    <>
      {facts.map((fact) => (
        <span key={fact} className={styles.fact}>
          {fact}
        </span>
      ))}
    </>
  );
}
