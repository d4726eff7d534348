// What the person at this page may do with a server.
import { useQuery } from "@tanstack/react-query";
import { call } from "../api/client";

/** Whether the person may write on a server, by its id; undefined until that is known, or where nothing is asked. */
export function useMayWrite(server: string | undefined): boolean | undefined {
  return useQuery({
    queryKey: ["permission", server],
    queryFn: ({ signal }) => call("read", "GetPermission", { target: { type: "Server", id: server ?? "" } }, signal),
    select: (held) => (typeof held === "string" ? held : (held.level ?? "None")) === "Write",
    enabled: server !== undefined && server !== "",
    staleTime: 60_000,
    retry: false,
  }).data;
}
