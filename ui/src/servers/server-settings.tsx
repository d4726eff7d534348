import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { call } from "../api/client";
import type { ServerListItem } from "../api/types";
import { toasts } from "../app/toasts";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Switch, TextField } from "../parts/field";
import { Failure } from "../parts/page";
import styles from "./server.module.css";

/** Name, switch and removal of a server. */
export function ServerSettings({ server }: { server: ServerListItem }) {
  const words = useWords();
  const [name, setName] = useState(server.name);
  const [removing, setRemoving] = useState(false);
  const saved = () => toasts.show("ok", words.server.saved);
  const rename = useMutation({
    mutationFn: () => call("write", "RenameServer", { id: server.id, name: name.trim() }),
    onSuccess: saved,
  });
  const enable = useMutation({
    mutationFn: (enabled: boolean) => call("write", "UpdateServer", { id: server.id, config: { enabled } }),
    onSuccess: saved,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() && name.trim() !== server.name && !rename.isPending) rename.mutate();
  };
  return (
    <div className={styles.scrolls}>
      <form className={`${styles.inline} ${styles.narrow}`} onSubmit={submit}>
        <TextField label={words.common.name} value={name} onChange={setName} maxLength={100} />
        <Button type="submit">{words.server.rename}</Button>
      </form>
      {rename.isError && <Failure error={rename.error} />}
      <section className={styles.section}>
        <Switch
          label={words.server.enabled}
          on={server.info.state !== "Disabled"}
          onChange={(on) => !enable.isPending && enable.mutate(on)}
        />
        <p className={styles.quiet}>{words.server.enabledHint}</p>
        {enable.isError && <Failure error={enable.error} />}
      </section>
      <section className={styles.section}>
        <h2>{words.server.remove}</h2>
        <p className={styles.quiet}>{words.server.removeHint}</p>
        <div>
          <Button look="danger" onPress={() => setRemoving(true)}>
            {words.server.remove}…
          </Button>
        </div>
      </section>
      {removing && <RemoveServer server={server} onClose={() => setRemoving(false)} />}
    </div>
  );
}

function RemoveServer({ server, onClose }: { server: ServerListItem; onClose: () => void }) {
  const words = useWords();
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const remove = useMutation({
    mutationFn: () => call("write", "DeleteServer", { id: server.id }),
    onSuccess: () => {
      toasts.show("ok", words.server.removed(server.name));
      onClose();
      return navigate({ to: "/servers" });
    },
  });
  return (
    <Dialog
      alert
      title={words.server.remove}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{words.common.cancel}</Button>
          <Button
            look="danger"
            off={typed === server.name ? null : words.server.removeConfirm(server.name)}
            onPress={() => !remove.isPending && remove.mutate()}
          >
            {words.server.remove}
          </Button>
        </>
      }
    >
      <p>{words.server.removeHint}</p>
      <TextField label={words.server.removeConfirm(server.name)} value={typed} onChange={setTyped} autoFocus />
      {remove.isError && <Failure error={remove.error} />}
    </Dialog>
  );
}
