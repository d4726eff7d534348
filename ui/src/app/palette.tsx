// Go anywhere, act on anything: one field, one list. Actions open their plan, as everywhere.
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Activity, Bell, Box, Languages, Palette as PaletteIcon, Search, Server, Settings } from "lucide-react";
import { type ReactNode, useDeferredValue, useMemo, useState } from "react";
import {
  Autocomplete,
  Dialog,
  Header,
  Input,
  Menu,
  MenuItem,
  MenuSection,
  Modal,
  ModalOverlay,
  SearchField,
} from "react-aria-components";
import { call } from "../api/client";
import { actionIcons, applies } from "../containers/actions";
import { useOperate } from "../containers/operate";
import { allActions, onAll, onOne, singleActions } from "../containers/requests";
import { languages, useWords } from "../i18n/words";
import { useServers } from "../live/live";
import { actionsOff } from "../servers/state";
import styles from "./palette.module.css";
import { setPreferences } from "./preferences";

/** Rows shown of each kind; typing narrows them. */
const SHOWN_MAX = 8;

interface Command {
  id: string;
  label: string;
  aside?: string;
  /** Other words by which it is found. */
  keywords?: string;
  icon: ReactNode;
  act: () => void;
}

const fits = (command: Command, words: readonly string[]) => {
  const text = `${command.label} ${command.aside ?? ""} ${command.keywords ?? ""}`.toLowerCase();
  return words.every((word) => text.includes(word));
};

export function Palette({ onClose }: { onClose: () => void }) {
  const words = useWords();
  const [text, setText] = useState("");
  const typed = useDeferredValue(text);
  const sections = useCommands(typed);
  const run = (command: Command) => {
    onClose();
    command.act();
  };
  return (
    <ModalOverlay isOpen isDismissable onOpenChange={(open) => !open && onClose()} className={styles.overlay}>
      <Modal className={styles.modal}>
        <Dialog aria-label={words.palette.open} className={styles.dialog}>
          <Autocomplete inputValue={text} onInputChange={setText}>
            <SearchField aria-label={words.palette.placeholder} className={styles.search} autoFocus>
              <Search size={17} aria-hidden="true" />
              <Input placeholder={words.palette.placeholder} className={styles.input} />
              <kbd aria-hidden="true">Esc</kbd>
            </SearchField>
            <div className={styles.scroll} tabIndex={0} role="group" aria-label={words.palette.open}>
              <Menu
                aria-label={words.palette.open}
                className={styles.menu}
                renderEmptyState={() => <p className={styles.none}>{words.palette.none}</p>}
              >
                {sections.map(
                  ([name, commands]) =>
                    commands.length > 0 && (
                      <MenuSection key={name}>
                        <Header className={styles.head}>{name}</Header>
                        {commands.map((command) => (
                          <MenuItem
                            key={command.id}
                            id={command.id}
                            textValue={command.label}
                            className={styles.item}
                            onAction={() => run(command)}
                          >
                            {command.icon}
                            <span className={styles.label}>{command.label}</span>
                            {command.aside && <span className={styles.aside}>{command.aside}</span>}
                          </MenuItem>
                        ))}
                      </MenuSection>
                    ),
                )}
              </Menu>
            </div>
          </Autocomplete>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

function useCommands(text: string): [string, Command[]][] {
  const words = useWords();
  const navigate = useNavigate();
  const operate = useOperate();
  const servers = useServers().items;
  const containers = useQuery({
    queryKey: ["all-containers"],
    queryFn: ({ signal }) => call("read", "ListAllContainers", { limit: 0 }, signal),
    staleTime: 10_000,
  }).data;
  return useMemo(() => {
    const parts = text.toLowerCase().split(/\s+/).filter(Boolean);
    const take = (commands: Iterable<Command>) => {
      const taken: Command[] = [];
      for (const command of commands) {
        if (fits(command, parts)) taken.push(command);
        if (taken.length === SHOWN_MAX) break;
      }
      return taken;
    };
    const pages: Command[] = [
      { id: "servers", label: words.nav.servers, icon: <Server size={16} />, act: () => navigate({ to: "/servers" }) },
      {
        id: "activity",
        label: words.nav.activity,
        icon: <Activity size={16} />,
        act: () => navigate({ to: "/activity" }),
      },
      { id: "alerts", label: words.nav.alerts, icon: <Bell size={16} />, act: () => navigate({ to: "/alerts" }) },
      {
        id: "settings",
        label: words.nav.settings,
        icon: <Settings size={16} />,
        act: () => navigate({ to: "/settings" }),
      },
    ];
    const reachable = (servers ?? []).filter((server) => actionsOff(words, server) === null);
    function* actions(): Generator<Command> {
      // Without a word there would be too many to be of use.
      if (parts.length === 0) return;
      for (const server of reachable) {
        for (const action of allActions) {
          yield {
            id: `${action} ${server.id}`,
            label: words.actions[action].title(server.name),
            keywords: words.actions[action].all,
            icon: actionIcons[action],
            act: () => operate({ request: onAll(action, server.id), serverName: server.name }),
          };
        }
      }
      const ids = new Set(reachable.map((server) => server.id));
      for (const container of containers ?? []) {
        const server = container.server_id ?? "";
        if (!ids.has(server)) continue;
        for (const action of singleActions) {
          if (!applies(action, container.state)) continue;
          yield {
            id: `${action} ${server} ${container.name}`,
            label: words.palette.onContainer(words.actions[action].verb, container.name),
            aside: container.server_name ?? "",
            icon: actionIcons[action],
            act: () =>
              operate({ request: onOne(action, server, container.name), serverName: container.server_name ?? server }),
          };
        }
      }
    }
    const preferences: Command[] = [
      ...(["system", "light", "dark"] as const).map((theme) => ({
        id: `theme ${theme}`,
        label: words.palette.theme(words.settings.themes[theme]),
        icon: <PaletteIcon size={16} />,
        act: () => setPreferences({ theme }),
      })),
      ...languages.map(({ id, name }) => ({
        id: `language ${id}`,
        label: words.palette.language(name),
        icon: <Languages size={16} />,
        act: () => setPreferences({ language: id }),
      })),
    ];
    return [
      [
        words.palette.servers,
        take(
          (servers ?? []).map((server) => ({
            id: `server ${server.id}`,
            label: server.name,
            icon: <Server size={16} />,
            act: () => navigate({ to: "/servers/$server", params: { server: server.id } }),
          })),
        ),
      ],
      [
        words.palette.containers,
        take(
          (containers ?? []).map((container) => ({
            id: `container ${container.server_id} ${container.name}`,
            label: container.name,
            aside: container.server_name ?? "",
            icon: <Box size={16} />,
            act: () =>
              navigate({
                to: "/servers/$server/containers/$container",
                params: { server: container.server_id ?? "", container: container.name },
              }),
          })),
        ),
      ],
      [words.palette.actions, take(actions())],
      [words.palette.pages, take(pages)],
      [words.palette.preferences, take(preferences)],
    ];
  }, [text, words, servers, containers, navigate, operate]);
}
