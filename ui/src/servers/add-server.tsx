import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { call } from "../api/client";
import { useWords } from "../i18n/words";
import { useServers } from "../live/live";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Segments, TextField } from "../parts/field";
import { CopyText, Failure, Note } from "../parts/page";
import { containerCommand, isLoopback, programCommand } from "./join-command";

const DAY_MS = 86_400_000;

/** From a name to a running agent: makes a key, shows the command, waits until the server has come. */
export function AddServer({ onClose }: { onClose: () => void }) {
  const words = useWords();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { items } = useServers();
  const [name, setName] = useState("");
  const [core, setCore] = useState(location.origin);
  const [form, setForm] = useState<"container" | "program">("container");
  const before = useRef<ReadonlySet<string> | null>(null);
  const create = useMutation({
    mutationFn: () =>
      call("write", "CreateOnboardingKey", { name: name.trim(), expires: Date.now() + DAY_MS, max_uses: 1 }),
    onSuccess: () => {
      before.current = new Set(items?.filter((server) => server.info.state === "Ok").map((server) => server.id));
      return client.invalidateQueries({ queryKey: ["onboarding-keys"] });
    },
  });
  const joined = create.data
    ? items?.find((server) => server.info.state === "Ok" && !before.current?.has(server.id))
    : undefined;
  const heading = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (create.data) heading.current?.focus();
  }, [create.data]);

  if (!create.data) {
    return (
      <Dialog
        title={words.addServer.title}
        onClose={onClose}
        foot={
          <>
            <Button onPress={onClose}>{words.common.cancel}</Button>
            <Button look="primary" off={null} onPress={() => name.trim() && !create.isPending && create.mutate()}>
              {words.addServer.createKey}
            </Button>
          </>
        }
      >
        <p>{words.addServer.intro}</p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (name.trim() && !create.isPending) create.mutate();
          }}
        >
          <TextField
            label={words.addServer.serverName}
            hint={words.addServer.keyNameHint}
            value={name}
            onChange={setName}
            maxLength={100}
            required
            autoFocus
          />
        </form>
        {create.isError && <Failure error={create.error} />}
      </Dialog>
    );
  }
  const parts = { core: core.trim(), key: create.data.private_key, name: name.trim() };
  return (
    <Dialog
      title={words.addServer.title}
      onClose={onClose}
      wide
      foot={
        joined ? (
          <Button
            look="primary"
            onPress={() => {
              onClose();
              navigate({ to: "/servers/$server", params: { server: joined.id } });
            }}
          >
            {words.addServer.open}
          </Button>
        ) : (
          <Button onPress={onClose}>{words.common.close}</Button>
        )
      }
    >
      <p ref={heading} tabIndex={-1}>
        <strong>{words.addServer.ready}</strong>. {words.addServer.readyHint}
      </p>
      <TextField label={words.addServer.coreAddress} type="url" value={core} onChange={setCore} />
      {isLoopback(core) && <Note tone="warn">{words.addServer.localhost}</Note>}
      <Segments
        label={words.addServer.command}
        value={form}
        onChange={setForm}
        options={[
          { id: "container", name: words.addServer.container },
          { id: "program", name: words.addServer.systemd },
        ]}
      />
      <CopyText
        label={words.addServer.command}
        text={form === "container" ? containerCommand(parts) : programCommand(parts)}
      />
      {form === "container" && (
        <>
          <p>{words.addServer.imageNote}</p>
          <Note tone="protect">{words.addServer.protectedNote}</Note>
        </>
      )}
      <Note tone={joined ? "ok" : "plain"} live>
        {joined ? words.addServer.joined(joined.name) : words.addServer.waiting}
      </Note>
    </Dialog>
  );
}
