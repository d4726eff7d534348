// What is around every page: rail, top bar, palette, and the dialogs that may come over any page.
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { Activity, Bell, BellRing, CircleUser, LogOut, RefreshCw, Search, Server, Settings } from "lucide-react";
import { lazy, type RefObject, Suspense, useRef, useState } from "react";
import { Button as AriaButton, TooltipTrigger } from "react-aria-components";
import { openAlerts } from "../alerts/alert-words";
import { get } from "../api/client";
import type { User } from "../api/types";
import { useNow } from "../i18n/clock";
import { duration } from "../i18n/format";
import { useWords } from "../i18n/words";
import { useAlerts, useConnection, useLost, useSocket, useUpdates } from "../live/live";
import { Button } from "../parts/button";
import { Tip } from "../parts/tooltip";
import { session } from "../session/session";
import { useSession } from "../session/use-session";
import { Logo } from "./logo";
import styles from "./shell.module.css";
import { focusFilter, useShortcuts } from "./shortcuts";
import { ToastRegion } from "./toasts";

const loadPalette = () => import("./palette").then(({ Palette }) => ({ default: Palette }));
const Palette = lazy(loadPalette);
const MenuAt = lazy(() => import("../parts/menu").then(({ MenuAt }) => ({ default: MenuAt })));
const Relogin = lazy(() => import("../session/relogin").then(({ Relogin }) => ({ default: Relogin })));
const Help = lazy(() => import("./help").then(({ Help }) => ({ default: Help })));

export const useUser = () =>
  useQuery({
    queryKey: ["user"],
    queryFn: async ({ signal }) => (await get("/user", signal)) as User,
    staleTime: 5 * 60_000,
  });

export function Shell() {
  const words = useWords();
  const navigate = useNavigate();
  const ended = useSession().state === "ended";
  const [over, setOver] = useState<"palette" | "help" | null>(null);
  useShortcuts({
    modifier: loadPalette,
    palette: () => setOver("palette"),
    help: () => setOver("help"),
    filter: focusFilter,
    go: {
      s: () => navigate({ to: "/servers" }),
      a: () => navigate({ to: "/activity" }),
      ",": () => navigate({ to: "/settings" }),
    },
  });
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        {words.nav.skip}
      </a>
      <header className={styles.top}>
        <Link to="/servers" className={styles.brand} aria-label={words.product}>
          <Logo size={24} />
          <span>{words.product}</span>
        </Link>
        <button
          type="button"
          className={styles.search}
          onClick={() => setOver("palette")}
          onPointerEnter={loadPalette}
          onFocus={loadPalette}
          aria-haspopup="dialog"
        >
          <Search size={15} aria-hidden="true" />
          <span>{words.palette.open}</span>
          <kbd aria-hidden="true">{/Mac|iP(hone|ad)/.test(navigator.userAgent) ? "⌘ K" : "Ctrl K"}</kbd>
        </button>
        <div className={styles.side}>
          <ConnectionPill />
          <OpenAlerts />
          <Account />
        </div>
      </header>
      <nav className={styles.rail} aria-label={words.nav.label}>
        <Link to="/servers" className={styles.link}>
          <Server size={17} aria-hidden="true" />
          {words.nav.servers}
        </Link>
        <Link to="/activity" className={styles.link}>
          <Activity size={17} aria-hidden="true" />
          {words.nav.activity}
          <RunningCount />
        </Link>
        <Link to="/settings" className={styles.link}>
          <Settings size={17} aria-hidden="true" />
          {words.nav.settings}
        </Link>
      </nav>
      <main id="main" className={styles.main} tabIndex={-1}>
        <Outlet />
      </main>
      <Suspense>
        {over === "palette" && <Palette onClose={() => setOver(null)} />}
        {over === "help" && <Help onClose={() => setOver(null)} />}
      </Suspense>
      <ToastRegion />
      <Suspense>{ended && <Relogin />}</Suspense>
    </div>
  );
}

function RunningCount() {
  const words = useWords();
  const running = useUpdates().items?.filter((update) => update.status !== "Complete").length ?? 0;
  if (running === 0) return null;
  return (
    <span className={styles.count}>
      {running}
      <span className="visually-hidden"> {words.updates.running}</span>
    </span>
  );
}

/** How many alerts are open; leads to them. */
function OpenAlerts() {
  const words = useWords();
  const open = openAlerts(useAlerts().items);
  const critical = open.some(({ level }) => level === "CRITICAL");
  return (
    <Link
      to="/alerts"
      className={styles.bell}
      data-level={open.length === 0 ? undefined : critical ? "critical" : "warning"}
      aria-label={`${words.nav.alerts}: ${words.alerts.open(open.length)}`}
      title={words.alerts.open(open.length)}
    >
      {open.length > 0 ? <BellRing size={18} aria-hidden="true" /> : <Bell size={18} aria-hidden="true" />}
      {open.length > 0 && <span aria-hidden="true">{open.length}</span>}
    </Link>
  );
}

/** Seen only when the connection is not fine. */
function ConnectionPill() {
  const words = useWords();
  const lost = useLost();
  return <span role="status">{lost && <LostPill label={words.connection.lost} />}</span>;
}

function LostPill({ label }: { label: string }) {
  const words = useWords();
  const socket = useSocket();
  const { nextAttempt } = useConnection();
  const now = useNow();
  const text =
    nextAttempt === null
      ? words.connection.retrying
      : words.connection.retryIn(duration(words.locale, Math.max(1_000, nextAttempt - now)));
  return (
    <TooltipTrigger delay={200}>
      <AriaButton className={styles.pill} onPress={socket.retryNow}>
        <RefreshCw size={13} aria-hidden="true" />
        {label}
      </AriaButton>
      <Tip>{text}</Tip>
    </TooltipTrigger>
  );
}

function Account() {
  const words = useWords();
  const user = useUser().data;
  const name = user?.username ?? "";
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLButtonElement>(null);
  return (
    <>
      <Button
        ref={anchor}
        look="quiet"
        label={words.nav.account}
        icon={<CircleUser size={18} />}
        controls="menu"
        expanded={open}
        onPress={() => setOpen(true)}
      />
      <Suspense>
        {open && (
          <MenuAt
            anchor={anchor as RefObject<Element | null>}
            onClose={() => setOpen(false)}
            label={words.nav.account}
            head={name ? words.nav.signedInAs(name) : words.nav.account}
            entries={[
              { id: "out", label: words.nav.signOut, icon: <LogOut size={15} />, act: () => session.signOut() },
            ]}
          />
        )}
      </Suspense>
    </>
  );
}
