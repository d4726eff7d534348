import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { type FormEvent, useState } from "react";
import { call } from "../api/client";
import type { ApiKey } from "../api/types";
import { date } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Segments, TextField } from "../parts/field";
import { CopyText, Failure, Note } from "../parts/page";
import { type Expiry, expiresAt, expiryOptions, expiryText, Keys } from "./keys";
import styles from "./settings.module.css";

const KEYS = ["api-keys"];

export function ApiKeys() {
  const words = useWords();
  const client = useQueryClient();
  const [creating, setCreating] = useState(false);
  const keys = useQuery({ queryKey: KEYS, queryFn: ({ signal }) => call("read", "ListApiKeys", {}, signal) });
  const changed = () => client.invalidateQueries({ queryKey: KEYS });
  return (
    <>
      <Keys<ApiKey>
        name={words.settings.apiKeys}
        text={words.settings.apiKeysText}
        icon={<KeyRound size={28} strokeWidth={1.5} />}
        none={words.settings.noApiKeys}
        keys={keys}
        keyOf={({ key }) => key}
        columns={[
          { header: words.common.name, cell: ({ name }) => name },
          { header: words.settings.key, optional: true, cell: ({ key }) => <code>{key.slice(0, 10)}…</code> },
          { header: words.common.created, optional: true, cell: (key) => date(words.locale, key.created_at) },
          { header: words.common.expires, cell: ({ expires }) => expiryText(words, expires) },
        ]}
        add={{ label: words.settings.newApiKey, act: () => setCreating(true) }}
        remove={{
          title: ({ name }) => words.settings.deleteApiKey(name),
          text: words.settings.deleteApiKeyText,
          act: async ({ key }) => {
            await call("auth/manage", "DeleteApiKey", { key });
            await changed();
          },
        }}
      />
      {creating && <CreateKey onClose={() => setCreating(false)} onCreated={changed} />}
    </>
  );
}

function CreateKey({ onClose, onCreated }: { onClose: () => void; onCreated: () => void }) {
  const words = useWords();
  const [name, setName] = useState("");
  const [expiry, setExpiry] = useState<Expiry>("year");
  const create = useMutation({
    mutationFn: () =>
      call("auth/manage", "CreateApiKey", { name: name.trim(), expires: expiresAt(expiry, Date.now()) }),
    onSuccess: onCreated,
  });
  const submit = () => {
    if (name.trim() && !create.isPending) create.mutate();
  };
  if (create.data) {
    return (
      <Dialog
        title={words.settings.apiKeyCreated}
        onClose={onClose}
        foot={
          <Button look="primary" onPress={onClose} autoFocus>
            {words.common.done}
          </Button>
        }
      >
        <Note tone="warn">{words.settings.shownOnce}</Note>
        <div>
          <span className={styles.label}>{words.settings.key}</span>
          <CopyText label={words.settings.key} text={create.data.key} />
        </div>
        <div>
          <span className={styles.label}>{words.settings.secret}</span>
          <CopyText label={words.settings.secret} text={create.data.secret} />
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog
      title={words.settings.newApiKey}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{words.common.cancel}</Button>
          <Button look="primary" onPress={submit}>
            {words.common.create}
          </Button>
        </>
      }
    >
      <form
        className={styles.form}
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          submit();
        }}
      >
        <TextField label={words.common.name} value={name} onChange={setName} maxLength={200} required autoFocus />
        <Segments
          label={words.common.expires}
          value={expiry}
          onChange={setExpiry}
          options={expiryOptions(words, ["month", "year", "never"])}
        />
      </form>
      {create.isError && <Failure error={create.error} />}
    </Dialog>
  );
}
