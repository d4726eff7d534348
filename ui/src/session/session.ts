// The session of the person at this page: a token in local storage, shared by all tabs.

const KEY = "komodo-session";

/** `out`: nobody signed in. `in`: a token is held. `ended`: the token was refused; the page stays and asks again. */
export type SessionState = "out" | "in" | "ended";

interface Snapshot {
  state: SessionState;
  token: string | null;
}

function read(): Snapshot {
  try {
    const token = localStorage.getItem(KEY);
    return token ? { state: "in", token } : { state: "out", token: null };
  } catch {
    return { state: "out", token: null };
  }
}

export class Session {
  #now: Snapshot = read();
  #listeners = new Set<() => void>();

  constructor() {
    if (typeof window === "undefined") return;
    window.addEventListener("storage", (event) => {
      if (event.key !== KEY && event.key !== null) return;
      const next = read();
      // Ended or signed out in another tab: this page stays and asks.
      this.#set(next.state === "out" && this.#now.state !== "out" ? { state: "ended", token: null } : next);
    });
  }

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  snapshot = () => this.#now;
  token = () => this.#now.token;

  /** Holds a new token. */
  begin(token: string) {
    this.#store(token);
    this.#set({ state: "in", token });
  }

  /** The token was refused. */
  end() {
    if (this.#now.state !== "in") return;
    this.#store(null);
    this.#set({ state: "ended", token: null });
  }

  /** Signs out on purpose. */
  signOut() {
    this.#store(null);
    this.#set({ state: "out", token: null });
  }

  #store(token: string | null) {
    try {
      if (token === null) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, token);
    } catch {
      // Storage may be switched off; the session then lasts as long as the page.
    }
  }

  #set(next: Snapshot) {
    this.#now = next;
    for (const listener of [...this.#listeners]) listener();
  }
}

export const session = new Session();
