// Short messages about what the person at this page just did.
import { CheckCircle2, X, XCircle } from "lucide-react";
import { useEffect, useSyncExternalStore } from "react";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import styles from "./toasts.module.css";

interface Toast {
  id: number;
  tone: "ok" | "bad";
  text: string;
}

const SHOWN_MS = 6_000;
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

  show(tone: Toast["tone"], text: string) {
    this.#set([...this.#all.slice(1 - TOASTS_MAX), { id: this.#next++, tone, text }]);
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
  useEffect(() => {
    if (toast.tone === "bad") return;
    const timer = setTimeout(() => toasts.close(toast.id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [toast]);
  return (
    <div className={styles.toast}>
      {toast.tone === "ok" ? (
        <CheckCircle2 size={16} className={styles.ok} />
      ) : (
        <XCircle size={16} className={styles.bad} />
      )}
      <span>{toast.text}</span>
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
