import "./styles/base.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode, useEffect, useRef } from "react";
import { RouterProvider as AriaRouter } from "react-aria-components";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/client";
import { beginPreferences } from "./app/preferences";
import { router, safeTarget } from "./app/router";
import { WordsProvider } from "./i18n/words";
import { LiveProvider } from "./live/live";
import { useSession } from "./session/use-session";

const RETRIES_MAX = 2;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // What Core answered will not change by asking again; only a lost connection is tried anew.
      retry: (count, error) => count < RETRIES_MAX && error instanceof ApiError && error.status === 0,
      refetchOnWindowFocus: false,
      staleTime: 30_000,
    },
  },
});

/** Leads in and out as the session begins and ends. What was read is forgotten when somebody signs out. */
function SessionGate() {
  const { state } = useSession();
  const before = useRef(state);
  useEffect(() => {
    const was = before.current;
    before.current = state;
    if (state === "out" && was !== "out") {
      client.clear();
      router.navigate({ to: "/login" });
    }
    if (state === "in" && was === "out") {
      const to = safeTarget(router.state.location.search.to);
      if (to) router.history.replace(to);
      else router.navigate({ to: "/servers" });
    }
    if (state === "in" && was === "ended") client.invalidateQueries({ type: "active" });
  }, [state]);
  return null;
}

beginPreferences();

const element = document.getElementById("root");
if (element) {
  createRoot(element).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <WordsProvider>
          <AriaRouter navigate={(to) => router.history.push(to)}>
            <LiveProvider>
              <SessionGate />
              <RouterProvider router={router} />
            </LiveProvider>
          </AriaRouter>
        </WordsProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}
