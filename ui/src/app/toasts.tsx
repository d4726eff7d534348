// Short messages about what the person at this page just did.
import { CheckCircle2, X, XCircle } from "lucide-react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import styles from "./toasts.module.css";

interface ToastAction {
  label: string;
  act: () => void;
}

interface Toast {
  id: number;
  tone: "ok" | "bad";
  text: string;
  actions: readonly ToastAction[];
}

const SHOWN_MS = 6_000;
/** Longer where something can be pressed; it does not go while somebody is at it. */
const SHOWN_WITH_ACTION_MS = 20_000;
const TOASTS_MAX = 4;

class Toasts {
  #all: readonly Toast[] = [];
  #next = 1;
  #listeners = new Set<() => void>();

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
  all = () => this.#all;

  show(tone: Toast["tone"], text: string, actions: readonly ToastAction[] = []) {
    this.#set([...this.#all.slice(1 - TOASTS_MAX), { id: this.#next++, tone, text, actions }]);
  }

  close = (id: number) => this.#set(this.#all.filter((toast) => toast.id !== id));

  #set(all: readonly Toast[]) {
    this.#all = all;
    for (const listener of [...this.#listeners]) listener();
  }
}

export const toasts = new Toasts();

export function ToastRegion() {
  const all = useSyncExternalStore(toasts.subscribe, toasts.all);
  return (
    <div className={styles.region} role="status" aria-live="polite">
      {all.map((toast) => (
        <ToastView key={toast.id} toast={toast} />
      ))}
    </div>
  );
}

function ToastView({ toast }: { toast: Toast }) {
  const words = useWords();
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (toast.tone === "bad" || held) return;
    const timer = setTimeout(() => toasts.close(toast.id), toast.actions.length > 0 ? SHOWN_WITH_ACTION_MS : SHOWN_MS);
    return () => clearTimeout(timer);
  }, [toast, held]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only stays as long as somebody is at it
    <div
      className={styles.toast}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      {toast.tone === "ok" ? (
        <CheckCircle2 size={16} className={styles.ok} />
      ) : (
        <XCircle size={16} className={styles.bad} />
      )}
      <span>{toast.text}</span>
      {toast.actions.map(({ label, act }) => (
        <Button
          key={label}
          small
          onPress={() => {
            toasts.close(toast.id);
            act();
          }}
        >
          {label}
        </Button>
      ))}
      <Button
        look="quiet"
        small
        label={words.common.close}
        icon={<X size={14} />}
        onPress={() => toasts.close(toast.id)}
      />
    </div>
  );
}
