// The agents of many servers, one first and the others in waves: who, from what, and what would happen.
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useMemo, useState } from "react";
import { call } from "../api/client";
import type { ServerListItem } from "../api/types";
import type { Words } from "../i18n/en";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Checkbox, Select, TextField } from "../parts/field";
import { Failure, Note } from "../parts/page";
import { agentForm, versionsFor } from "./agent-programs";
import { type LeftOut, preview, type RollPreview } from "./roll";
import styles from "./roll.module.css";
import { serverWhy } from "./state";
import { NoProgram, usePrograms } from "./update-agent";

/** Servers of a wave where nothing is said, as Core takes it. */
const WAVE_SIZE = 5;
/** Names and waves that the preview spells out. */
const SHOWN_MAX = 12;

interface RollAgentsProps {
  /** Those that the page shows. */
  servers: readonly ServerListItem[];
  onClose: () => void;
}

/** Whether the agent of one of them is of that form. */
const has = (servers: readonly ServerListItem[], form: "container" | "service") =>
  servers.some(({ info }) => info.agent && agentForm(info.agent) === form);

export function RollAgents({ servers, onClose }: RollAgentsProps) {
  const words = useWords();
  const navigate = useNavigate();
  const byName = useMemo(() => [...servers].sort((a, b) => a.name.localeCompare(b.name)), [servers]);
  const [without, setWithout] = useState<ReadonlySet<string>>(new Set());
  const [image, setImage] = useState("");
  const [version, setVersion] = useState<string | null>(null);
  const [canary, setCanary] = useState<string | null>(null);
  const [wave, setWave] = useState(String(WAVE_SIZE));
  const chosen = byName.filter(({ id }) => !without.has(id));
  const services = has(chosen, "service");
  const programs = usePrograms(services);
  const kept = programs.data ?? [];
  const offered = versionsFor(kept, chosen);
  // The newest, until somebody chooses; the empty one leaves services out.
  const asked = version ?? offered[0] ?? "";
  const waveSize = /^\d+$/.test(wave.trim()) ? Number(wave) : 0;
  const choice = {
    servers: chosen,
    image: image.trim() || null,
    version: services && asked !== "" ? asked : null,
    programs: kept,
    waveSize,
  };
  const able = [preview(choice)].flatMap(({ first, waves }) => (first ? [first, ...waves.flat()] : []));
  const first = able.find(({ id }) => id === canary) ?? able[0];
  const plan = preview({
    ...choice,
    servers: first ? [first, ...chosen.filter(({ id }) => id !== first.id)] : chosen,
  });
  const go = useMutation({
    mutationFn: () =>
      call("execute", "RollPeriphery", {
        servers: (first ? [first, ...chosen.filter(({ id }) => id !== first.id)] : chosen).map(({ id }) => id),
        wave_size: waveSize,
        ...(choice.image !== null && { image: choice.image }),
        ...(choice.version !== null && { version: choice.version }),
      }),
    onSuccess: (update) => {
      onClose();
      navigate({ to: "/activity/$update", params: { update: update._id?.$oid ?? "" } });
    },
  });
  const include = (id: string, on: boolean) => {
    const next = new Set(without);
    if (on) next.delete(id);
    else next.add(id);
    setWithout(next);
  };
  const off = waveSize < 1 ? words.roll.waveWrong : able.length === 0 ? words.roll.nobody : null;
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (off === null && !go.isPending) go.mutate();
  };
  return (
    <Dialog
      wide
      title={words.roll.title}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{words.common.cancel}</Button>
          <Button look="primary" off={off} onPress={() => submit()}>
            {words.roll.go(able.length)}
          </Button>
        </>
      }
    >
      <p>{words.roll.intro}</p>
      <form className={styles.form} onSubmit={submit}>
        <fieldset className={styles.servers}>
          <legend>{words.roll.servers}</legend>
          <Checkbox
            shown
            label={words.roll.all}
            on={without.size === 0}
            some={without.size > 0 && chosen.length > 0}
            onChange={(on) => setWithout(new Set(on ? [] : byName.map(({ id }) => id)))}
          />
          <ul className={styles.list}>
            {byName.map((server) => (
              <li key={server.id}>
                <Checkbox
                  shown
                  label={server.name}
                  on={!without.has(server.id)}
                  onChange={(on) => include(server.id, on)}
                />
                <span className={styles.runs}>{runsText(words, server)}</span>
              </li>
            ))}
          </ul>
        </fieldset>
        {has(chosen, "container") && (
          <TextField
            label={words.roll.image}
            hint={words.roll.imageHint}
            value={image}
            onChange={setImage}
            maxLength={500}
          />
        )}
        {services && offered.length > 0 && (
          <Select
            label={words.roll.version}
            value={asked}
            onChange={setVersion}
            options={[...offered.map((id) => ({ id, name: id })), { id: "", name: words.roll.noVersion }]}
          />
        )}
        {able.length > 1 && first && (
          <div className={styles.two}>
            <Select
              label={words.roll.first}
              value={first.id}
              onChange={setCanary}
              options={able.map(({ id, name }) => ({ id, name }))}
            />
            <TextField
              label={words.roll.waveSize}
              type="number"
              value={wave}
              onChange={setWave}
              error={waveSize < 1 ? words.roll.waveWrong : null}
            />
          </div>
        )}
      </form>
      {services && programs.isError && <Failure error={programs.error} retry={() => programs.refetch()} />}
      {services && programs.data && offered.length === 0 && (
        <NoProgram
          architecture={chosen.find(({ info }) => info.agent?.service)?.info.agent?.architecture ?? ""}
          again={() => programs.refetch()}
        />
      )}
      {waveSize > 0 && <Preview plan={plan} />}
      {go.isError && <Failure error={go.error} />}
    </Dialog>
  );
}

function runsText(words: Words, server: ServerListItem): string {
  const { version } = server.info;
  return serverWhy(words, server) ?? (version ? words.servers.agent(version) : "");
}

function whyText(words: Words, server: ServerListItem, why: LeftOut): string {
  if (why === "away") return serverWhy(words, server) ?? words.servers.states.NotOk;
  if (why === "fixed") return words.agent.fixed(server.info.agent?.service?.fixed ?? "");
  return words.roll.why[why];
}

function Preview({ plan }: { plan: RollPreview }) {
  const words = useWords();
  const names = (servers: readonly ServerListItem[]) => {
    const shown = servers.slice(0, SHOWN_MAX).map(({ name }) => name);
    const more = servers.length - shown.length;
    return [...shown, ...(more > 0 ? [words.roll.more(more)] : [])].join(", ");
  };
  const later = plan.waves.slice(SHOWN_MAX).flat().length;
  const lines: ReactNode[] = [
    plan.first ? words.roll.goesFirst(plan.first.name) : words.roll.nobody,
    ...plan.waves.slice(0, SHOWN_MAX).map((wave, at) => words.roll.wave(at + 2, names(wave))),
    ...(later > 0 ? [words.roll.more(later)] : []),
  ];
  return (
    <section className={styles.preview} aria-label={words.roll.preview} aria-live="polite">
      <Note tone="plain">
        <strong>{words.roll.preview}</strong>
        <ul className={styles.lines}>
          {lines.map((line) => (
            <li key={String(line)}>{line}</li>
          ))}
        </ul>
      </Note>
      {plan.leftOut.length > 0 && (
        <Note tone="warn">
          <strong>{words.roll.leftOut(plan.leftOut.length)}</strong>
          <ul className={styles.lines}>
            {plan.leftOut.slice(0, SHOWN_MAX).map(({ server, why }) => (
              <li key={server.id}>
                {server.name}: {whyText(words, server, why)}
              </li>
            ))}
            {plan.leftOut.length > SHOWN_MAX && <li>{words.roll.more(plan.leftOut.length - SHOWN_MAX)}</li>}
          </ul>
        </Note>
      )}
    </section>
  );
}
