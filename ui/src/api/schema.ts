// Generated from openapi/api.json by `npm run schema`; do not edit.
// sha256 of the document: 46d17b0dd282008b502867dc37d146eb056c58aaa12f32815aad4526d0a3973b

export interface paths {
    "/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["auth_login_envelope"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/login/GetLoginOptions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets the ways to sign in. */
        post: operations["auth_login_get_login_options"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/login/LoginLocalUser": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Signs in with name and password. */
        post: operations["auth_login_login_local_user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/login/SignUpLocalUser": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Creates an account with name and password. */
        post: operations["auth_login_sign_up_local_user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/manage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["auth_manage_envelope"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/manage/CreateApiKey": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Creates an API key of the calling user. */
        post: operations["auth_manage_create_api_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/manage/DeleteApiKey": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Deletes an API key of the calling user. */
        post: operations["auth_manage_delete_api_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["execute_envelope"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/BatchContainers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Does one thing to several containers of a server: those named, or those that match a query. */
        post: operations["execute_batch_containers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/CancelUpdate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancels what an open Update does: no new target starts, what is under way is awaited and observed. One that waits for
         *     its server ends at once. What was done stays done.
         */
        post: operations["execute_cancel_update"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/DestroyContainer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops and removes a container. */
        post: operations["execute_destroy_container"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/PauseAllContainers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pauses every running container on a server, save the protected ones. */
        post: operations["execute_pause_all_containers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/PauseContainer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pauses a container. */
        post: operations["execute_pause_container"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/PruneContainers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Removes every stopped container on a server, save the protected ones. */
        post: operations["execute_prune_containers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/RestartAllContainers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Restarts every running container on a server, save the protected ones. */
        post: operations["execute_restart_all_containers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/RestartContainer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Restarts a container. One that runs the agent or Core is handed over to a helper. */
        post: operations["execute_restart_container"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/RestartPeriphery": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Restarts the agent of a server: a helper on its host restarts its service, or its container, and Core watches that it
         *     comes back.
         */
        post: operations["execute_restart_periphery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/RollPeriphery": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Updates the agents of many servers: one at first, then in waves, each only when all of the one before are confirmed.
         *     Halts at the first that is not. Servers that are away, or that neither `image` nor `version` is for, are left out, with
         *     the reason. For administrators.
         */
        post: operations["execute_roll_periphery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/StartAllContainers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts every stopped container on a server, save the protected ones. */
        post: operations["execute_start_all_containers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/StartContainer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts a container. */
        post: operations["execute_start_container"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/StopAllContainers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops every running container on a server, save the protected ones. */
        post: operations["execute_stop_all_containers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/StopContainer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a container. */
        post: operations["execute_stop_container"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/UndoUpdate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Brings exactly the containers that an operation changed back to the state that it found, and nothing else. Those that
         *     others changed since are reported and left alone. Only a stop, start, pause or unpause can be undone.
         */
        post: operations["execute_undo_update"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/UnpauseAllContainers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Resumes every paused container on a server, save the protected ones. */
        post: operations["execute_unpause_all_containers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/UnpauseContainer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Resumes a paused container. */
        post: operations["execute_unpause_container"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/execute/UpdatePeriphery": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Updates the agent of a server: a helper on its host replaces its container by one with the same configuration and
         *     another image, or the program of its service by another one that Core serves, and puts the old one back where the new
         *     one is not confirmed.
         */
        post: operations["execute_update_periphery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether Core works. */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["read_envelope"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetAlert": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets one alert. */
        post: operations["read_get_alert"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetContainerLog": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets the last lines of a container's log. */
        post: operations["read_get_container_log"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetContainersSummary": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Counts the containers of all servers by state. */
        post: operations["read_get_containers_summary"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetCoreInfo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets the settings of Core that clients need. */
        post: operations["read_get_core_info"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetPeripheryInformation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets what is known of a server's agent. */
        post: operations["read_get_periphery_information"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetPermission": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets what the caller may do with a resource. */
        post: operations["read_get_permission"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetServer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets a server with its configuration. */
        post: operations["read_get_server"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetServerActionState": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets what is being done on a server right now. */
        post: operations["read_get_server_action_state"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetServersSummary": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Counts servers by state. */
        post: operations["read_get_servers_summary"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetServerState": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets the state of a server. */
        post: operations["read_get_server_state"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetSystemInformation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets what a server's host is. */
        post: operations["read_get_system_information"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetSystemStats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets how loaded a server's host is. */
        post: operations["read_get_system_stats"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetUpdate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets one Update, whole. */
        post: operations["read_get_update"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetUsername": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets the name of a user. */
        post: operations["read_get_username"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/GetVersion": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets the version. */
        post: operations["read_get_version"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/InspectContainer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Inspects a container: what the Engine knows of it. */
        post: operations["read_inspect_container"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListAlerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists alerts, the newest first, 100 a page. */
        post: operations["read_list_alerts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListAllContainers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists the containers of all servers. */
        post: operations["read_list_all_containers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListApiKeys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists the API keys of the calling user. */
        post: operations["read_list_api_keys"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListContainers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists the containers of a server. */
        post: operations["read_list_containers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListFullServers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists servers with their configuration. */
        post: operations["read_list_full_servers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListOnboardingKeys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists the onboarding keys. */
        post: operations["read_list_onboarding_keys"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListPeripheryPrograms": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Lists the programs of the agent that this Core serves to agents that run as services of systemd, the newest first.
         *     They are put there with `komodo-core agents add`; what is damaged, or signed by another key, is not served.
         */
        post: operations["read_list_periphery_programs"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListProtected": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists the protected containers of a server and why each is. */
        post: operations["read_list_protected"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListServers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists servers. */
        post: operations["read_list_servers"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/ListUpdates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lists Updates, the newest first, 100 a page. */
        post: operations["read_list_updates"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/PlanOperation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Says what an execute request would do to which containers, and why not to others, without doing it. */
        post: operations["read_plan_operation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/read/SearchContainerLog": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gets the lines of a container's log that contain some terms. */
        post: operations["read_search_container_log"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/user": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The caller's own account. */
        get: operations["get_user"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/version": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The version of the public API. */
        get: operations["version"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/write": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["write_envelope"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/write/CreateOnboardingKey": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Creates an onboarding key. The answer holds the join string, shown this once. */
        post: operations["write_create_onboarding_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/write/CreateServer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Creates a server. */
        post: operations["write_create_server"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/write/DeleteOnboardingKey": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Deletes an onboarding key; servers that joined with it stay. */
        post: operations["write_delete_onboarding_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/write/DeleteServer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Deletes a server from Core; nothing happens on the host. */
        post: operations["write_delete_server"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/write/RenameServer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Renames a server. */
        post: operations["write_rename_server"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/write/UpdateOnboardingKey": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Changes an onboarding key; what is missing or null stays as it is. */
        post: operations["write_update_onboarding_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/write/UpdateServer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Changes the configuration of a server. */
        post: operations["write_update_server"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Something that somebody should look at. */
        Alert: {
            /** @description Id. */
            _id?: components["schemas"]["MongoIdObj"];
            /** @description What it is about. */
            data: components["schemas"]["AlertData"];
            /** @description How bad it is. */
            level: components["schemas"]["SeverityLevel"];
            /** @description Whether it is over. */
            resolved: boolean;
            /**
             * Format: int64
             * @description Time it was over; null while it is not.
             * @default null
             */
            resolved_ts?: number | null;
            /** @description On what. */
            target: components["schemas"]["ResourceTarget"];
            /**
             * Format: int64
             * @description Time it was raised.
             */
            ts: number;
            /** @description Id of the Update that it is about, where it is about one. Additive. */
            update?: string | null;
        };
        /** @description What an alert is about. Closed: strict clients break on a new variant, so newer alerts are `Custom`. */
        AlertData: {
            data: Record<string, never>;
            /** @constant */
            type: "None";
        } | {
            data: {
                id: string;
                name: string;
            };
            /** @constant */
            type: "Test";
        } | {
            data: {
                /** @default null */
                err?: components["schemas"]["Serror"] | null;
                id: string;
                name: string;
            };
            /** @constant */
            type: "SwarmUnhealthy";
        } | {
            data: {
                /** @default null */
                err?: components["schemas"]["Serror"] | null;
                id: string;
                name: string;
                /** @default null */
                region?: string | null;
            };
            /** @constant */
            type: "ServerUnreachable";
        } | {
            data: {
                id: string;
                name: string;
                /** Format: double */
                percentage: number;
                /** @default null */
                region?: string | null;
            };
            /** @constant */
            type: "ServerCpu";
        } | {
            data: {
                id: string;
                name: string;
                /** @default null */
                region?: string | null;
                /** Format: double */
                total_gb: number;
                /** Format: double */
                used_gb: number;
            };
            /** @constant */
            type: "ServerMem";
        } | {
            data: {
                id: string;
                name: string;
                path: string;
                /** @default null */
                region?: string | null;
                /** Format: double */
                total_gb: number;
                /** Format: double */
                used_gb: number;
            };
            /** @constant */
            type: "ServerDisk";
        } | {
            data: {
                core_version: string;
                id: string;
                name: string;
                /** @default null */
                region?: string | null;
                server_version: string;
            };
            /** @constant */
            type: "ServerVersionMismatch";
        } | {
            /** @description A deployment or stack, and where it runs. */
            data: {
                from: components["schemas"]["DeploymentState"];
                /** @description Id. */
                id: string;
                /** @description Name. */
                name: string;
                /**
                 * @description Id of its server.
                 * @default null
                 */
                server_id?: string | null;
                /**
                 * @description Name of its server.
                 * @default null
                 */
                server_name?: string | null;
                /**
                 * @description Id of its swarm.
                 * @default null
                 */
                swarm_id?: string | null;
                /**
                 * @description Name of its swarm.
                 * @default null
                 */
                swarm_name?: string | null;
                to: components["schemas"]["DeploymentState"];
            };
            /** @constant */
            type: "ContainerStateChange";
        } | {
            /** @description A deployment or stack, and where it runs. */
            data: {
                /** @description Id. */
                id: string;
                image: string;
                /** @description Name. */
                name: string;
                /**
                 * @description Id of its server.
                 * @default null
                 */
                server_id?: string | null;
                /**
                 * @description Name of its server.
                 * @default null
                 */
                server_name?: string | null;
                /**
                 * @description Id of its swarm.
                 * @default null
                 */
                swarm_id?: string | null;
                /**
                 * @description Name of its swarm.
                 * @default null
                 */
                swarm_name?: string | null;
            };
            /** @constant */
            type: "DeploymentImageUpdateAvailable";
        } | {
            /** @description A deployment or stack, and where it runs. */
            data: {
                /** @description Id. */
                id: string;
                image: string;
                /** @description Name. */
                name: string;
                /**
                 * @description Id of its server.
                 * @default null
                 */
                server_id?: string | null;
                /**
                 * @description Name of its server.
                 * @default null
                 */
                server_name?: string | null;
                /**
                 * @description Id of its swarm.
                 * @default null
                 */
                swarm_id?: string | null;
                /**
                 * @description Name of its swarm.
                 * @default null
                 */
                swarm_name?: string | null;
            };
            /** @constant */
            type: "DeploymentAutoUpdated";
        } | {
            /** @description A deployment or stack, and where it runs. */
            data: {
                from: components["schemas"]["StackState"];
                /** @description Id. */
                id: string;
                /** @description Name. */
                name: string;
                /**
                 * @description Id of its server.
                 * @default null
                 */
                server_id?: string | null;
                /**
                 * @description Name of its server.
                 * @default null
                 */
                server_name?: string | null;
                /**
                 * @description Id of its swarm.
                 * @default null
                 */
                swarm_id?: string | null;
                /**
                 * @description Name of its swarm.
                 * @default null
                 */
                swarm_name?: string | null;
                to: components["schemas"]["StackState"];
            };
            /** @constant */
            type: "StackStateChange";
        } | {
            /** @description A deployment or stack, and where it runs. */
            data: {
                /** @description Id. */
                id: string;
                image: string;
                /** @description Name. */
                name: string;
                /**
                 * @description Id of its server.
                 * @default null
                 */
                server_id?: string | null;
                /**
                 * @description Name of its server.
                 * @default null
                 */
                server_name?: string | null;
                service: string;
                /**
                 * @description Id of its swarm.
                 * @default null
                 */
                swarm_id?: string | null;
                /**
                 * @description Name of its swarm.
                 * @default null
                 */
                swarm_name?: string | null;
            };
            /** @constant */
            type: "StackImageUpdateAvailable";
        } | {
            /** @description A deployment or stack, and where it runs. */
            data: {
                /** @description Id. */
                id: string;
                images: string[];
                /** @description Name. */
                name: string;
                /**
                 * @description Id of its server.
                 * @default null
                 */
                server_id?: string | null;
                /**
                 * @description Name of its server.
                 * @default null
                 */
                server_name?: string | null;
                /**
                 * @description Id of its swarm.
                 * @default null
                 */
                swarm_id?: string | null;
                /**
                 * @description Name of its swarm.
                 * @default null
                 */
                swarm_name?: string | null;
            };
            /** @constant */
            type: "StackAutoUpdated";
        } | {
            data: {
                instance_id: string;
                message: string;
            };
            /** @constant */
            type: "AwsBuilderTerminationFailed";
        } | {
            data: {
                id: string;
                name: string;
            };
            /** @constant */
            type: "ResourceSyncPendingUpdates";
        } | {
            data: {
                id: string;
                name: string;
                version: components["schemas"]["Version"];
            };
            /** @constant */
            type: "BuildFailed";
        } | {
            data: {
                id: string;
                name: string;
            };
            /** @constant */
            type: "RepoBuildFailed";
        } | {
            data: {
                id: string;
                name: string;
            };
            /** @constant */
            type: "ProcedureFailed";
        } | {
            data: {
                id: string;
                name: string;
            };
            /** @constant */
            type: "ActionFailed";
        } | {
            data: {
                id: string;
                name: string;
                resource_type: components["schemas"]["ResourceTargetVariant"];
            };
            /** @constant */
            type: "ScheduleRun";
        } | {
            data: {
                /**
                 * @description More of it.
                 * @default
                 */
                details?: string;
                /** @description One sentence. */
                message: string;
            };
            /** @constant */
            type: "Custom";
        };
        /** @description An API key, without its secret. */
        ApiKey: {
            /**
             * Format: int64
             * @description Time of creation.
             */
            created_at: number;
            /**
             * Format: int64
             * @description When it ends; 0 is never.
             */
            expires: number;
            /** @description `K_…_K`. */
            key: string;
            /** @description Name. */
            name: string;
            /** @description Always `########`. */
            secret: string;
            /** @description Id of its user. */
            user_id: string;
        };
        /** @description Does one thing to several containers of a server: those named, or those that match a query. */
        BatchContainers: {
            /** @description What is done. */
            action: components["schemas"]["ContainerAction"];
            /** @description Containers, by name or id. Either this or `query`. */
            containers?: string[];
            /** @description Containers that are left alone, by name or id. */
            exclude?: string[];
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Which containers are meant. Either this or `containers`. */
            query?: components["schemas"]["ContainerQuery"] | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /**
         * @description Cancels what an open Update does: no new target starts, what is under way is awaited and observed. One that waits for
         *     its server ends at once. What was done stays done.
         */
        CancelUpdate: {
            /** @description Id of the Update that is canceled. */
            id: string;
        };
        /** @description Stable machine-readable codes; clients and translations key on them. */
        Code: "bad_json" | "invalid" | "unauthenticated" | "account_disabled" | "forbidden" | "not_found" | "method_not_allowed" | "conflict" | "protected" | "busy" | "plan_drifted" | "body_too_large" | "unsupported_media_type" | "unprocessable" | "too_many_attempts" | "internal" | "not_built" | "bad_agent" | "server_unreachable" | "engine_unreachable" | "storage_full" | "journal_full" | "deadline_exceeded" | "server_disabled" | "not_cancelable" | "not_undoable";
        /** @description A container as the Engine knows it; besides, why it is protected. */
        Container: {
            /** @default null */
            AppArmorProfile?: string | null;
            /** @default [] */
            Args?: string[];
            /** @default null */
            Config?: components["schemas"]["ContainerConfig"] | null;
            /** @default null */
            Created?: string | null;
            /** @default null */
            Driver?: string | null;
            /** @default [] */
            ExecIDs?: string[];
            /** @default null */
            GraphDriver?: components["schemas"]["GraphDriverData"] | null;
            /** @default null */
            HostConfig?: components["schemas"]["HostConfig"] | null;
            /** @default null */
            HostnamePath?: string | null;
            /** @default null */
            HostsPath?: string | null;
            /** @default null */
            Id?: string | null;
            /** @default null */
            Image?: string | null;
            /** @default null */
            LogPath?: string | null;
            /** @default null */
            MountLabel?: string | null;
            /** @default [] */
            Mounts?: components["schemas"]["MountPoint"][];
            /** @default null */
            Name?: string | null;
            /** @default null */
            NetworkSettings?: components["schemas"]["NetworkSettings"] | null;
            /** @default null */
            Path?: string | null;
            /** @default null */
            Platform?: string | null;
            /** @default null */
            ProcessLabel?: string | null;
            /** @default [] */
            protected?: components["schemas"]["Reason"][];
            /** @default null */
            ResolvConfPath?: string | null;
            /**
             * Format: int64
             * @default null
             */
            RestartCount?: number | null;
            /**
             * Format: int64
             * @default null
             */
            SizeRootFs?: number | null;
            /**
             * Format: int64
             * @default null
             */
            SizeRw?: number | null;
            /** @default null */
            State?: components["schemas"]["ContainerState"] | null;
        };
        /** @description What is done to a container. */
        ContainerAction: "start" | "restart" | "pause" | "unpause" | "stop" | "destroy" | "prune";
        /** @description Configuration that does not depend on the host. */
        ContainerConfig: {
            /** @default null */
            ArgsEscaped?: boolean | null;
            /** @default null */
            AttachStderr?: boolean | null;
            /** @default null */
            AttachStdin?: boolean | null;
            /** @default null */
            AttachStdout?: boolean | null;
            /** @default [] */
            Cmd?: string[];
            /** @default null */
            Domainname?: string | null;
            /** @default [] */
            Entrypoint?: string[];
            /** @default [] */
            Env?: string[];
            /** @default [] */
            ExposedPorts?: string[];
            /** @default null */
            Healthcheck?: components["schemas"]["HealthConfig"] | null;
            /** @default null */
            Hostname?: string | null;
            /** @default null */
            Image?: string | null;
            /** @default {} */
            Labels?: {
                [key: string]: string;
            };
            /** @default null */
            NetworkDisabled?: boolean | null;
            /** @default [] */
            OnBuild?: string[];
            /** @default null */
            OpenStdin?: boolean | null;
            /** @default [] */
            Shell?: string[];
            /** @default null */
            StdinOnce?: boolean | null;
            /** @default null */
            StopSignal?: string | null;
            /**
             * Format: int64
             * @default null
             */
            StopTimeout?: number | null;
            /** @default null */
            Tty?: boolean | null;
            /** @default null */
            User?: string | null;
            /** @default [] */
            Volumes?: string[];
            /** @default null */
            WorkingDir?: string | null;
        };
        /** @description Containers of a server by state. */
        ContainerCounts: {
            /**
             * Format: uint32
             * @description Paused.
             */
            paused: number;
            /**
             * Format: uint32
             * @description Running.
             */
            running: number;
            /**
             * Format: uint32
             * @description All.
             */
            total: number;
            /**
             * Format: uint32
             * @description Restarting, dead, or failing their health check.
             */
            unhealthy: number;
        };
        /** @description Health of a container. */
        ContainerHealth: {
            /**
             * Format: int64
             * @default null
             */
            FailingStreak?: number | null;
            /** @default [] */
            Log?: components["schemas"]["HealthcheckResult"][];
            /** @default  */
            Status?: components["schemas"]["HealthStatusEnum"];
        };
        /** @description A container in a list. */
        ContainerListItem: {
            /**
             * Format: int64
             * @description Time of creation, unix seconds.
             */
            created?: number | null;
            /** @description `healthy`, `unhealthy` or `starting`, where it has a health check. */
            health?: string | null;
            /** @description Id. */
            id?: string | null;
            /** @description Image, as it was asked for. */
            image?: string | null;
            /** @description Id of the image. */
            image_id?: string | null;
            /** @description Labels; never sent, as clients expect. */
            labels?: {
                [key: string]: string;
            };
            /** @description Name, without the slash. */
            name: string;
            /** @description Network mode. */
            network_mode?: string | null;
            /** @description Names of its networks. */
            networks?: string[];
            /** @description Ports. */
            ports?: components["schemas"]["Port"][];
            /** @description Compose project. */
            project?: string | null;
            /** @description Why it is protected. Additive, as are all below. */
            protected?: components["schemas"]["Reason"][];
            /** @description Id of the server. */
            server_id?: string | null;
            /** @description Name of the server. */
            server_name?: string | null;
            /**
             * Format: int64
             * @description Bytes in all.
             */
            size_root_fs?: number | null;
            /**
             * Format: int64
             * @description Bytes written on top of the image.
             */
            size_rw?: number | null;
            /**
             * Format: int64
             * @description Time since when the view of its server is out of date; absent while it is live.
             */
            stale_since?: number | null;
            /**
             * Format: int64
             * @description Start of the present run.
             */
            started_at?: number | null;
            /** @description Run state. */
            state: components["schemas"]["ContainerStateStatusEnum"];
            /** @description Last sample of what it uses. */
            stats?: components["schemas"]["ContainerStats"] | null;
            /** @description State in words, `Up 5 minutes`. */
            status?: string | null;
            /** @description Names of its volumes. */
            volumes?: string[];
        };
        /** @description Which containers of a server are meant; all conditions must hold, none means all. */
        ContainerQuery: {
            /**
             * @description Of one of these images, by name with or without tag.
             * @default []
             */
            images?: string[];
            /**
             * @description With all of these labels, `key` or `key=value`.
             * @default []
             */
            labels?: string[];
            /**
             * @description Of one of these compose projects.
             * @default []
             */
            projects?: string[];
            /**
             * @description In one of these states.
             * @default []
             */
            states?: components["schemas"]["ContainerStateStatusEnum"][];
            /**
             * @description Each must be part of the name, in any case.
             * @default []
             */
            terms?: string[];
        };
        /** @description One run of a container, as the Engine dates it. */
        ContainerRun: {
            /**
             * Format: int64
             * @description Its end.
             */
            finished_at?: number | null;
            /**
             * Format: int64
             * @description Its start.
             */
            started_at?: number | null;
        };
        /**
         * @description What containers are sorted by.
         * @enum {string}
         */
        ContainerSortBy: "Name" | "Server" | "State" | "Image" | "Networks" | "Ports" | "Volumes";
        /** @description Run state of a container. */
        ContainerState: {
            /** @default null */
            Dead?: boolean | null;
            /** @default null */
            Error?: string | null;
            /**
             * Format: int64
             * @default null
             */
            ExitCode?: number | null;
            /** @default null */
            FinishedAt?: string | null;
            /** @default null */
            Health?: components["schemas"]["ContainerHealth"] | null;
            /** @default null */
            OOMKilled?: boolean | null;
            /** @default null */
            Paused?: boolean | null;
            /**
             * Format: int64
             * @default null
             */
            Pid?: number | null;
            /** @default null */
            Restarting?: boolean | null;
            /** @default null */
            Running?: boolean | null;
            /** @default null */
            StartedAt?: string | null;
            /** @default  */
            Status?: components["schemas"]["ContainerStateStatusEnum"];
        };
        /** @description Run state of a container. */
        ContainerStateStatusEnum: ("running" | "created" | "restarting" | "stopping" | "removing" | "paused" | "exited" | "dead") | "";
        /** @description A sample of what a container uses, as text with units. */
        ContainerStats: {
            /** @description Block devices read and written, `0B / 4.1kB`. */
            block_io: string;
            /** @description CPU use, `1.25%`; 100 % is one core. */
            cpu_perc: string;
            /** @description Memory use of the limit, `0.54%`. */
            mem_perc: string;
            /** @description Memory and limit, `12.5MiB / 23.4GiB`. */
            mem_usage: string;
            /** @description Name of the container. */
            name: string;
            /** @description Network received and sent, `1.2kB / 3.4kB`. */
            net_io: string;
            /** @description Processes. */
            pids: string;
        };
        /** @description Creates an API key of the calling user. */
        CreateApiKey: {
            /**
             * Format: uint64
             * @description When it ends, unix ms; 0 is never.
             * @default 0
             */
            expires?: number;
            /** @description Name, at most 200 characters. */
            name: string;
        };
        /** @description A new API key; the secret is shown this once. */
        CreateApiKeyResponse: {
            /** @description `K_…_K`. */
            key: string;
            /** @description `S_…_S`. */
            secret: string;
        };
        /** @description Creates an onboarding key. The answer holds the join string, shown this once. */
        CreateOnboardingKey: {
            /**
             * @description Server whose configuration is copied.
             * @default
             */
            copy_server?: string;
            /**
             * @description Whether a builder is made for each server.
             * @default false
             */
            create_builder?: boolean;
            /**
             * Format: int64
             * @description When it ends, unix ms; 0 is never.
             * @default 0
             */
            expires?: number;
            /**
             * Format: uint32
             * @description How many servers may join with it; absent is any number. Additive.
             */
            max_uses?: number | null;
            /** @description Name. */
            name: string;
            /**
             * @description The secret, where the caller brings it; the agent then needs `PERIPHERY_CORE_PUBLIC_KEY`.
             * @default null
             */
            private_key?: string | null;
            /**
             * @description Whether an agent may take over a server that exists.
             * @default false
             */
            privileged?: boolean;
            /**
             * @description Tags of the servers that join.
             * @default []
             */
            tags?: string[];
        };
        /** @description A new onboarding key. */
        CreateOnboardingKeyResponse: {
            /** @description The key. */
            created: components["schemas"]["OnboardingKey"];
            /** @description The join string, to be given as `PERIPHERY_ONBOARDING_KEY`; shown this once. */
            private_key: string;
        };
        /** @description Creates a server. */
        CreateServer: {
            /**
             * @description Configuration; what is missing has its default.
             * @default {}
             */
            config?: components["schemas"]["PartialServerConfig"];
            /** @description Name. */
            name: string;
            /**
             * @description Public key of its agent, where it is known before.
             * @default null
             */
            public_key?: string | null;
        };
        /** @description Deletes an API key of the calling user. */
        DeleteApiKey: {
            /** @description `K_…_K`. */
            key: string;
        };
        /** @description Deletes an onboarding key; servers that joined with it stay. */
        DeleteOnboardingKey: {
            /** @description Public part of the key. */
            public_key: string;
        };
        /** @description Deletes a server from Core; nothing happens on the host. */
        DeleteServer: {
            /** @description Server, by id or name. */
            id: string;
        };
        /**
         * @description State of a deployment.
         * @enum {string}
         */
        DeploymentState: "deploying" | "running" | "created" | "restarting" | "stopping" | "removing" | "paused" | "exited" | "dead" | "unhealthy" | "not_deployed" | "unknown";
        /** @description Stops and removes a container. */
        DestroyContainer: {
            /** @description Container, by name or id. */
            container: string;
            /** @description Where it runs the agent: the agent goes on purpose. Needs Write. */
            detach?: boolean;
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Why a container that is part of the control path is acted on all the same; needs Write, is audited. */
            override?: string | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /**
             * @description Signal to stop it with.
             * @default null
             */
            signal?: components["schemas"]["TerminationSignal"] | null;
            /**
             * Format: int32
             * @description Seconds to wait for its end before it is killed.
             * @default null
             */
            time?: number | null;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description A device given to a container. */
        DeviceMapping: {
            /** @default null */
            CgroupPermissions?: string | null;
            /** @default null */
            PathInContainer?: string | null;
            /** @default null */
            PathOnHost?: string | null;
        };
        /** @description Devices asked of a driver. */
        DeviceRequest: {
            /** @default [] */
            Capabilities?: string[][];
            /**
             * Format: int64
             * @default null
             */
            Count?: number | null;
            /** @default [] */
            DeviceIDs?: string[];
            /** @default null */
            Driver?: string | null;
            /** @default {} */
            Options?: {
                [key: string]: string;
            };
        };
        /** @description What happens to a container. */
        Effect: "act" | "skip" | "refuse" | "hand-over" | "detach";
        /** @description Addresses asked for in a network. */
        EndpointIpamConfig: {
            /** @default null */
            IPv4Address?: string | null;
            /** @default null */
            IPv6Address?: string | null;
            /** @default [] */
            LinkLocalIPs?: string[];
        };
        /** @description A container in a network. */
        EndpointSettings: {
            /** @default [] */
            Aliases?: string[];
            /** @default [] */
            DNSNames?: string[];
            /** @default {} */
            DriverOpts?: {
                [key: string]: string;
            };
            /** @default null */
            EndpointID?: string | null;
            /** @default null */
            Gateway?: string | null;
            /** @default null */
            GlobalIPv6Address?: string | null;
            /**
             * Format: int64
             * @default null
             */
            GlobalIPv6PrefixLen?: number | null;
            /** @default null */
            IPAddress?: string | null;
            /** @default null */
            IPAMConfig?: components["schemas"]["EndpointIpamConfig"] | null;
            /**
             * Format: int64
             * @default null
             */
            IPPrefixLen?: number | null;
            /** @default null */
            IPv6Gateway?: string | null;
            /** @default [] */
            Links?: string[];
            /** @default null */
            MacAddress?: string | null;
            /** @default null */
            NetworkID?: string | null;
        };
        /** @description Gets one alert. */
        GetAlert: {
            /** @description Id of the alert. */
            id: string;
        };
        /** @description Gets the last lines of a container's log. */
        GetContainerLog: {
            /** @description Container, by name or id. */
            container: string;
            /** @description Server, by id or name. */
            server: string;
            /**
             * Format: uint64
             * @description How many lines; at most 5000.
             * @default 50
             */
            tail?: number;
            /**
             * @description Whether each line starts with its time.
             * @default false
             */
            timestamps?: boolean;
        };
        /** @description Counts the containers of all servers by state. */
        GetContainersSummary: Record<string, never>;
        /** @description How many containers are in which state. */
        GetContainersSummaryResponse: {
            /**
             * Format: uint32
             * @description Running.
             */
            running: number;
            /**
             * Format: uint32
             * @description Exited, created or paused.
             */
            stopped: number;
            /**
             * Format: uint32
             * @description All.
             */
            total: number;
            /**
             * Format: uint32
             * @description Restarting, dead, or failing their health check.
             */
            unhealthy: number;
            /**
             * Format: uint32
             * @description In no known state.
             */
            unknown: number;
        };
        /** @description Gets the settings of Core that clients need. */
        GetCoreInfo: Record<string, never>;
        /** @description Settings of Core that clients need. */
        GetCoreInfoResponse: {
            /**
             * Format: uint64
             * @description Items a page where a list asks for none.
             */
            default_pagination_limit: number;
            /** @description Whether the UI asks for no confirmation. */
            disable_confirm_dialog: boolean;
            /** @description Whether only administrators create resources. */
            disable_non_admin_create: boolean;
            /** @description Whether the UI does not reconnect its socket. */
            disable_websocket_reconnect: boolean;
            /** @description Whether TOML is highlighted richly. */
            enable_fancy_toml: boolean;
            /** @description Kept for clients; nothing is polled. */
            monitoring_interval: components["schemas"]["Timelength"];
            /** @description Public key of Core, which agents pin. */
            public_key: string;
            /** @description Time zone of schedules; empty for that of the host. */
            timezone: string;
            /** @description Title of the pages. */
            title: string;
            /** @description Whether every user may read everything. */
            transparent_mode: boolean;
            /** @description Whether the UI offers no changes. */
            ui_write_disabled: boolean;
            /** @description Base address of webhooks. */
            webhook_base_url: string;
        };
        /** @description Gets the ways to sign in. */
        GetLoginOptions: Record<string, never>;
        /** @description Ways to sign in. */
        GetLoginOptionsResponse: {
            /** @description With GitHub. */
            github: boolean;
            /** @description With Google. */
            google: boolean;
            /** @description With name and password. */
            local: boolean;
            /** @description With OpenID Connect. */
            oidc: boolean;
            /** @description Whether the page goes to the provider by itself. */
            oidc_auto_redirect: boolean;
            /** @description Whether new users cannot sign up. */
            registration_disabled: boolean;
        };
        /** @description Gets what is known of a server's agent. */
        GetPeripheryInformation: {
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description Gets what the caller may do with a resource. */
        GetPermission: {
            /** @description The resource. */
            target: components["schemas"]["ResourceTarget"];
        };
        /** @description Gets a server with its configuration. */
        GetServer: {
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description Gets what is being done on a server right now. */
        GetServerActionState: {
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description Counts servers by state. */
        GetServersSummary: Record<string, never>;
        /** @description Servers by state. */
        GetServersSummaryResponse: {
            /**
             * Format: int64
             * @description `Disabled`.
             */
            disabled: number;
            /**
             * Format: int64
             * @description `Ok`.
             */
            healthy: number;
            /**
             * Format: int64
             * @description All.
             */
            total: number;
            /**
             * Format: int64
             * @description `NotOk`.
             */
            unhealthy: number;
            /**
             * Format: int64
             * @description `Ok`, with another version of the agent.
             */
            warning: number;
        };
        /** @description Gets the state of a server. */
        GetServerState: {
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description State of a server. */
        GetServerStateResponse: {
            /** @description Why it is not `Ok`. Additive. */
            reason?: components["schemas"]["ServerReason"] | null;
            /** @description State. */
            status: components["schemas"]["ServerState"];
        };
        /** @description Gets what a server's host is. */
        GetSystemInformation: {
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description Gets how loaded a server's host is. */
        GetSystemStats: {
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description Gets one Update, whole. */
        GetUpdate: {
            /** @description Id of the Update. */
            id: string;
        };
        /** @description Gets the name of a user. */
        GetUsername: {
            /** @description Id of the user. */
            user_id: string;
        };
        /** @description Name and picture of a user. */
        GetUsernameResponse: {
            /** @description Address of a picture. */
            avatar?: string | null;
            /** @description Name. */
            username: string;
        };
        /** @description Gets the version. */
        GetVersion: Record<string, never>;
        /** @description Versions. */
        GetVersionResponse: {
            /** @description Version of this implementation. */
            implementation?: string;
            /** @description Version of the public API. */
            version: string;
        };
        /** @description Where the layers of a container are. */
        GraphDriverData: {
            /** @default {} */
            Data?: {
                [key: string]: string;
            };
            /** @default  */
            Name?: string;
        };
        /** @description One run of a health check. */
        HealthcheckResult: {
            /** @default null */
            End?: string | null;
            /**
             * Format: int64
             * @default null
             */
            ExitCode?: number | null;
            /** @default null */
            Output?: string | null;
            /** @default null */
            Start?: string | null;
        };
        /** @description How health is checked. */
        HealthConfig: {
            /**
             * Format: int64
             * @default null
             */
            Interval?: number | null;
            /**
             * Format: int64
             * @default null
             */
            Retries?: number | null;
            /**
             * Format: int64
             * @default null
             */
            StartInterval?: number | null;
            /**
             * Format: int64
             * @default null
             */
            StartPeriod?: number | null;
            /** @default [] */
            Test?: string[];
            /**
             * Format: int64
             * @default null
             */
            Timeout?: number | null;
        };
        /** @description Result of a health check. */
        HealthStatusEnum: ("none" | "starting" | "healthy" | "unhealthy") | "";
        /** @description Configuration that depends on the host. */
        HostConfig: {
            /** @default {} */
            Annotations?: {
                [key: string]: string;
            };
            /** @default null */
            AutoRemove?: boolean | null;
            /** @default [] */
            Binds?: string[];
            /** @default [] */
            BlkioDeviceReadBps?: components["schemas"]["ThrottleDevice"][];
            /** @default [] */
            BlkioDeviceReadIOps?: components["schemas"]["ThrottleDevice"][];
            /** @default [] */
            BlkioDeviceWriteBps?: components["schemas"]["ThrottleDevice"][];
            /** @default [] */
            BlkioDeviceWriteIOps?: components["schemas"]["ThrottleDevice"][];
            /**
             * Format: uint16
             * @default null
             */
            BlkioWeight?: number | null;
            /** @default [] */
            BlkioWeightDevice?: components["schemas"]["ResourcesBlkioWeightDevice"][];
            /** @default [] */
            CapAdd?: string[];
            /** @default [] */
            CapDrop?: string[];
            /** @default null */
            Cgroup?: string | null;
            /** @default null */
            CgroupnsMode?: components["schemas"]["HostConfigCgroupnsModeEnum"] | null;
            /** @default null */
            CgroupParent?: string | null;
            /** @default [] */
            ConsoleSize?: number[];
            /** @default null */
            ContainerIDFile?: string | null;
            /**
             * Format: int64
             * @default null
             */
            CpuCount?: number | null;
            /**
             * Format: int64
             * @default null
             */
            CpuPercent?: number | null;
            /**
             * Format: int64
             * @default null
             */
            CpuPeriod?: number | null;
            /**
             * Format: int64
             * @default null
             */
            CpuQuota?: number | null;
            /**
             * Format: int64
             * @default null
             */
            CpuRealtimePeriod?: number | null;
            /**
             * Format: int64
             * @default null
             */
            CpuRealtimeRuntime?: number | null;
            /** @default null */
            CpusetCpus?: string | null;
            /** @default null */
            CpusetMems?: string | null;
            /**
             * Format: int64
             * @default null
             */
            CpuShares?: number | null;
            /** @default [] */
            DeviceCgroupRules?: string[];
            /** @default [] */
            DeviceRequests?: components["schemas"]["DeviceRequest"][];
            /** @default [] */
            Devices?: components["schemas"]["DeviceMapping"][];
            /** @default [] */
            Dns?: string[];
            /** @default [] */
            DnsOptions?: string[];
            /** @default [] */
            DnsSearch?: string[];
            /** @default [] */
            ExtraHosts?: string[];
            /** @default [] */
            GroupAdd?: string[];
            /** @default null */
            Init?: boolean | null;
            /**
             * Format: int64
             * @default null
             */
            IOMaximumBandwidth?: number | null;
            /**
             * Format: int64
             * @default null
             */
            IOMaximumIOps?: number | null;
            /** @default null */
            IpcMode?: string | null;
            /** @default  */
            Isolation?: components["schemas"]["HostConfigIsolationEnum"];
            /** @default [] */
            Links?: string[];
            /** @default null */
            LogConfig?: components["schemas"]["HostConfigLogConfig"] | null;
            /** @default [] */
            MaskedPaths?: string[];
            /**
             * Format: int64
             * @default null
             */
            Memory?: number | null;
            /**
             * Format: int64
             * @default null
             */
            MemoryReservation?: number | null;
            /**
             * Format: int64
             * @default null
             */
            MemorySwap?: number | null;
            /**
             * Format: int64
             * @default null
             */
            MemorySwappiness?: number | null;
            /** @default [] */
            Mounts?: components["schemas"]["Mount"][];
            /**
             * Format: int64
             * @default null
             */
            NanoCpus?: number | null;
            /** @default null */
            NetworkMode?: string | null;
            /** @default null */
            OomKillDisable?: boolean | null;
            /**
             * Format: int64
             * @default null
             */
            OomScoreAdj?: number | null;
            /** @default null */
            PidMode?: string | null;
            /**
             * Format: int64
             * @default null
             */
            PidsLimit?: number | null;
            /** @default {} */
            PortBindings?: {
                [key: string]: components["schemas"]["PortBinding"][];
            };
            /** @default null */
            Privileged?: boolean | null;
            /** @default null */
            PublishAllPorts?: boolean | null;
            /** @default [] */
            ReadonlyPaths?: string[];
            /** @default null */
            ReadonlyRootfs?: boolean | null;
            /** @default null */
            RestartPolicy?: components["schemas"]["RestartPolicy"] | null;
            /** @default null */
            Runtime?: string | null;
            /** @default [] */
            SecurityOpt?: string[];
            /**
             * Format: int64
             * @default null
             */
            ShmSize?: number | null;
            /** @default {} */
            StorageOpt?: {
                [key: string]: string;
            };
            /** @default {} */
            Sysctls?: {
                [key: string]: string;
            };
            /** @default {} */
            Tmpfs?: {
                [key: string]: string;
            };
            /** @default [] */
            Ulimits?: components["schemas"]["ResourcesUlimits"][];
            /** @default null */
            UsernsMode?: string | null;
            /** @default null */
            UTSMode?: string | null;
            /** @default null */
            VolumeDriver?: string | null;
            /** @default [] */
            VolumesFrom?: string[];
        };
        /** @description Namespace of cgroups. */
        HostConfigCgroupnsModeEnum: ("private" | "host") | "";
        /** @description Isolation of a container. */
        HostConfigIsolationEnum: ("default" | "process" | "hyperv") | "";
        /** @description How logs are kept. */
        HostConfigLogConfig: {
            /** @default {} */
            Config?: {
                [key: string]: string;
            };
            /** @default null */
            Type?: string | null;
        };
        /** @description Inspects a container: what the Engine knows of it. */
        InspectContainer: {
            /** @description Container, by name or id. */
            container: string;
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description A token, or the second factor that is still asked for. */
        JwtOrTwoFactor: {
            data: components["schemas"]["JwtResponse"];
            /** @constant */
            type: "Jwt";
        } | {
            data: unknown;
            /** @constant */
            type: "Passkey";
        } | {
            data: components["schemas"]["NoData"];
            /** @constant */
            type: "Totp";
        };
        /** @description A token to sign requests with. */
        JwtResponse: {
            /** @description JSON Web Token; its `sub` is the id of the user. */
            jwt: string;
        };
        /** @description Lists alerts, the newest first, 100 a page. */
        ListAlerts: {
            /**
             * Format: uint32
             * @description Page, from 0.
             * @default 0
             */
            page?: number;
            /**
             * @description Filter.
             * @default null
             */
            query?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description A page of alerts. */
        ListAlertsResponse: {
            /** @description The page. */
            alerts: components["schemas"]["Alert"][];
            /**
             * Format: uint32
             * @description The page after it, or null.
             */
            next_page?: number | null;
        };
        /** @description Lists the containers of all servers. */
        ListAllContainers: {
            /**
             * Format: uint64
             * @description Items a page; null is the configured default, 0 is all.
             * @default null
             */
            limit?: number | null;
            /**
             * Format: uint64
             * @description Page, from 0.
             * @default 0
             */
            page?: number;
            /**
             * @description Only of these servers, by id or name.
             * @default []
             */
            servers?: string[];
            /**
             * @description What they are sorted by.
             * @default Name
             */
            sort_by?: components["schemas"]["ContainerSortBy"];
            /**
             * @description Backwards.
             * @default false
             */
            sort_desc?: boolean;
            /**
             * @description Only in these states.
             * @default []
             */
            state?: components["schemas"]["ContainerStateStatusEnum"][];
            /**
             * @description Only of servers with these tags.
             * @default []
             */
            tags?: string[];
            /**
             * @description Each must be part of the name.
             * @default []
             */
            terms?: string[];
        };
        /** @description Lists the API keys of the calling user. */
        ListApiKeys: Record<string, never>;
        /** @description Lists the containers of a server. */
        ListContainers: {
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description Lists servers with their configuration. */
        ListFullServers: {
            /**
             * Format: uint64
             * @description Items a page; null is the configured default, 0 is all.
             * @default null
             */
            limit?: number | null;
            /**
             * Format: uint64
             * @description Page, from 0.
             * @default 0
             */
            page?: number;
            /**
             * @description Which.
             * @default {
             *       "names": [],
             *       "specific": {
             *         "states": []
             *       },
             *       "tag_behavior": "All",
             *       "tags": [],
             *       "templates": "Include",
             *       "terms": []
             *     }
             */
            query?: components["schemas"]["ResourceQuery"];
        };
        /** @description Lists the onboarding keys. */
        ListOnboardingKeys: Record<string, never>;
        /**
         * @description Lists the programs of the agent that this Core serves to agents that run as services of systemd, the newest first.
         *     They are put there with `komodo-core agents add`; what is damaged, or signed by another key, is not served.
         */
        ListPeripheryPrograms: Record<string, never>;
        /** @description Lists the protected containers of a server and why each is. */
        ListProtected: {
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description Lists servers. */
        ListServers: {
            /**
             * Format: uint64
             * @description Items a page; null is the configured default, 0 is all.
             * @default null
             */
            limit?: number | null;
            /**
             * Format: uint64
             * @description Page, from 0.
             * @default 0
             */
            page?: number;
            /**
             * @description Which.
             * @default {
             *       "names": [],
             *       "specific": {
             *         "states": []
             *       },
             *       "tag_behavior": "All",
             *       "tags": [],
             *       "templates": "Include",
             *       "terms": []
             *     }
             */
            query?: components["schemas"]["ResourceQuery"];
            /**
             * @description What they are sorted by.
             * @default Name
             */
            sort_by?: components["schemas"]["ServerSortBy"];
            /**
             * @description Backwards.
             * @default false
             */
            sort_desc?: boolean;
        };
        /** @description Lists Updates, the newest first, 100 a page. */
        ListUpdates: {
            /**
             * Format: uint32
             * @description Page, from 0.
             * @default 0
             */
            page?: number;
            /**
             * @description Filter.
             * @default null
             */
            query?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description A page of Updates. */
        ListUpdatesResponse: {
            /**
             * Format: uint32
             * @description The page after it, or null.
             */
            next_page?: number | null;
            /** @description The page. */
            updates: components["schemas"]["UpdateListItem"][];
        };
        /** @description The output of one step. */
        Log: {
            /** @description The command it stands for, without secrets. */
            command: string;
            /**
             * Format: int64
             * @description End.
             */
            end_ts: number;
            /** @description What the step is. */
            stage: string;
            /**
             * Format: int64
             * @description Start.
             */
            start_ts: number;
            /** @description What went wrong. */
            stderr: string;
            /** @description What it printed. */
            stdout: string;
            /** @description Whether it succeeded. */
            success: boolean;
        };
        /** @description Signs in with name and password. */
        LoginLocalUser: {
            /** @description Password. */
            password: string;
            /** @description Name. */
            username: string;
        };
        /**
         * @description When a maintenance window recurs.
         * @enum {string}
         */
        MaintenanceScheduleType: "Daily" | "Weekly" | "OneTime";
        /** @description A time without alerts. */
        MaintenanceWindow: {
            /**
             * @description Date, where it is once.
             * @default
             */
            date?: string;
            /**
             * @description Day of the week, where it is weekly.
             * @default
             */
            day_of_week?: string;
            /**
             * @description Free text.
             * @default
             */
            description?: string;
            /**
             * Format: uint32
             * @description Length in minutes.
             */
            duration_minutes: number;
            /**
             * @description Whether it holds.
             * @default true
             */
            enabled?: boolean;
            /**
             * Format: uint8
             * @description Hour of its start.
             * @default 0
             */
            hour?: number;
            /**
             * Format: uint8
             * @description Minute of its start.
             * @default 0
             */
            minute?: number;
            /** @description Name. */
            name: string;
            /**
             * @description When it recurs.
             * @default Daily
             */
            schedule_type?: components["schemas"]["MaintenanceScheduleType"];
            /**
             * @description Time zone; empty for that of Core.
             * @default
             */
            timezone?: string;
        };
        /** @description [`SystemStats`] as lists carry them, with the disks summed up. */
        MinimalSystemStats: {
            /**
             * Format: float
             * @description CPU use of all cores, %.
             */
            cpu_perc: number;
            /**
             * Format: double
             * @description All disks, GiB.
             */
            disk_total_gb: number;
            /**
             * Format: double
             * @description Used on all disks, GiB.
             */
            disk_used_gb: number;
            /** @description Load averages. */
            load_average: components["schemas"]["SystemLoadAverage"];
            /**
             * Format: double
             * @description Buffers and cache, GiB.
             */
            mem_buff_cache_gb: number;
            /**
             * Format: double
             * @description Free memory, GiB.
             */
            mem_free_gb: number;
            /**
             * Format: double
             * @description Memory, GiB.
             */
            mem_total_gb: number;
            /**
             * Format: double
             * @description Used memory, GiB.
             */
            mem_used_gb: number;
            /**
             * Format: double
             * @description ZFS ARC, GiB.
             */
            mem_zfs_arc_gb: number;
            /**
             * Format: double
             * @description Bytes sent since the sample before.
             */
            network_egress_bytes: number;
            /**
             * Format: double
             * @description Bytes received since the sample before.
             */
            network_ingress_bytes: number;
            /** @description Time between samples. */
            polling_rate: components["schemas"]["Timelength"];
            /**
             * Format: int64
             * @description Time of the last sample of disks.
             */
            refresh_list_ts: number;
            /**
             * Format: int64
             * @description Time of this sample.
             */
            refresh_ts: number;
            /**
             * Format: double
             * @description Swap, GiB.
             */
            swap_total_gb: number;
            /**
             * Format: double
             * @description Used swap, GiB.
             */
            swap_used_gb: number;
        };
        MongoIdObj: {
            $oid: string;
        };
        /** @description A mount as it was asked for. */
        Mount: {
            /** @default null */
            BindOptions?: components["schemas"]["MountBindOptions"] | null;
            /** @default null */
            Consistency?: string | null;
            /** @default null */
            ReadOnly?: boolean | null;
            /** @default null */
            Source?: string | null;
            /** @default null */
            Target?: string | null;
            /** @default null */
            TmpfsOptions?: components["schemas"]["MountTmpfsOptions"] | null;
            /** @default bind */
            Type?: components["schemas"]["MountType"];
            /** @default null */
            VolumeOptions?: components["schemas"]["MountVolumeOptions"] | null;
        };
        /** @description Options of a bind mount. */
        MountBindOptions: {
            /** @default null */
            CreateMountpoint?: boolean | null;
            /** @default null */
            NonRecursive?: boolean | null;
            /** @default  */
            Propagation?: components["schemas"]["MountBindOptionsPropagationEnum"];
            /** @default null */
            ReadOnlyForceRecursive?: boolean | null;
            /** @default null */
            ReadOnlyNonRecursive?: boolean | null;
        };
        /** @description Propagation of a bind mount. */
        MountBindOptionsPropagationEnum: ("private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave") | "";
        /** @description A mount inside a container. */
        MountPoint: {
            /** @default null */
            Destination?: string | null;
            /** @default null */
            Driver?: string | null;
            /** @default null */
            Mode?: string | null;
            /** @default null */
            Name?: string | null;
            /** @default null */
            Propagation?: string | null;
            /** @default null */
            RW?: boolean | null;
            /** @default null */
            Source?: string | null;
            /** @default null */
            Type?: string | null;
        };
        /** @description Options of a tmpfs. */
        MountTmpfsOptions: {
            /**
             * Format: int64
             * @default null
             */
            Mode?: number | null;
            /**
             * Format: int64
             * @default null
             */
            SizeBytes?: number | null;
        };
        /** @description Kind of a mount. */
        MountType: ("volume" | "image" | "tmpfs" | "npipe" | "cluster") | "bind";
        /** @description Options of a volume. */
        MountVolumeOptions: {
            /** @default null */
            DriverConfig?: components["schemas"]["MountVolumeOptionsDriverConfig"] | null;
            /** @default {} */
            Labels?: {
                [key: string]: string;
            };
            /** @default null */
            NoCopy?: boolean | null;
            /** @default null */
            Subpath?: string | null;
        };
        /** @description Driver of a volume. */
        MountVolumeOptionsDriverConfig: {
            /** @default null */
            Name?: string | null;
            /** @default {} */
            Options?: {
                [key: string]: string;
            };
        };
        /** @description Networks and ports of a container. */
        NetworkSettings: {
            /** @default {} */
            Networks?: {
                [key: string]: components["schemas"]["EndpointSettings"];
            };
            /** @default {} */
            Ports?: {
                [key: string]: components["schemas"]["PortBinding"][];
            };
            /** @default null */
            SandboxID?: string | null;
            /** @default null */
            SandboxKey?: string | null;
        };
        /** @description What an operation with nothing to answer returns: `{}`. */
        NoData: Record<string, never>;
        /** @description An onboarding key, without its secret. */
        OnboardingKey: {
            /**
             * @description Server whose configuration is copied.
             * @default
             */
            copy_server?: string;
            /**
             * @description Whether a builder is made for each server.
             * @default false
             */
            create_builder?: boolean;
            /**
             * Format: int64
             * @description Time of creation.
             * @default 0
             */
            created_at?: number;
            /**
             * @description Whether it lets anybody in.
             * @default false
             */
            enabled?: boolean;
            /**
             * Format: int64
             * @description When it ends, unix ms; 0 is never.
             * @default 0
             */
            expires?: number;
            /**
             * Format: uint32
             * @description How many servers may join with it; absent is any number. Additive.
             */
            max_uses?: number | null;
            /**
             * @description Name.
             * @default
             */
            name?: string;
            /**
             * @description Ids of the servers that joined with it.
             * @default []
             */
            onboarded?: string[];
            /**
             * @description Whether an agent may take over a server that exists.
             * @default false
             */
            privileged?: boolean;
            /** @description Public part, by which the key is named. */
            public_key: string;
            /**
             * @description Tags of the servers that join.
             * @default []
             */
            tags?: string[];
        };
        /**
         * @description What an Update is of. Closed: strict clients break on a new value, so newer operations are `None` here and
         *     named in [`Update::request`].
         * @enum {string}
         */
        Operation: "None" | "CreateSwarm" | "UpdateSwarm" | "RenameSwarm" | "DeleteSwarm" | "RemoveSwarmNodes" | "UpdateSwarmNode" | "RemoveSwarmStacks" | "RemoveSwarmServices" | "CreateSwarmConfig" | "RotateSwarmConfig" | "RemoveSwarmConfigs" | "CreateSwarmSecret" | "RotateSwarmSecret" | "RemoveSwarmSecrets" | "CreateServer" | "UpdateServer" | "UpdateServerKey" | "DeleteServer" | "RenameServer" | "StartContainer" | "RestartContainer" | "PauseContainer" | "UnpauseContainer" | "StopContainer" | "DestroyContainer" | "StartAllContainers" | "RestartAllContainers" | "PauseAllContainers" | "UnpauseAllContainers" | "StopAllContainers" | "PruneContainers" | "CreateNetwork" | "DeleteNetwork" | "PruneNetworks" | "DeleteImage" | "PruneImages" | "DeleteVolume" | "PruneVolumes" | "PruneDockerBuilders" | "PruneBuildx" | "PruneSystem" | "CreateStack" | "UpdateStack" | "RenameStack" | "DeleteStack" | "WriteStackContents" | "RefreshStackCache" | "PullStack" | "DeployStack" | "StartStack" | "RestartStack" | "PauseStack" | "UnpauseStack" | "StopStack" | "DestroyStack" | "RunStackService" | "CheckStackForUpdate" | "DeployStackService" | "PullStackService" | "StartStackService" | "RestartStackService" | "PauseStackService" | "UnpauseStackService" | "StopStackService" | "DestroyStackService" | "CreateDeployment" | "UpdateDeployment" | "RenameDeployment" | "DeleteDeployment" | "Deploy" | "PullDeployment" | "StartDeployment" | "RestartDeployment" | "PauseDeployment" | "UnpauseDeployment" | "StopDeployment" | "DestroyDeployment" | "CheckDeploymentForUpdate" | "CreateBuild" | "UpdateBuild" | "RenameBuild" | "DeleteBuild" | "RunBuild" | "CancelBuild" | "WriteDockerfile" | "CreateRepo" | "UpdateRepo" | "RenameRepo" | "DeleteRepo" | "CloneRepo" | "PullRepo" | "BuildRepo" | "CancelRepoBuild" | "CreateProcedure" | "UpdateProcedure" | "RenameProcedure" | "DeleteProcedure" | "RunProcedure" | "CancelProcedure" | "CreateAction" | "UpdateAction" | "RenameAction" | "DeleteAction" | "RunAction" | "CancelAction" | "CreateResourceSync" | "UpdateResourceSync" | "RenameResourceSync" | "DeleteResourceSync" | "WriteSyncContents" | "CommitSync" | "RunSync" | "CreateBuilder" | "UpdateBuilder" | "RenameBuilder" | "DeleteBuilder" | "CreateAlerter" | "UpdateAlerter" | "RenameAlerter" | "DeleteAlerter" | "TestAlerter" | "SendAlert" | "ClearRepoCache" | "BackupCoreDatabase" | "GlobalAutoUpdate" | "RotateAllServerKeys" | "RotateCoreKeys" | "CreateVariable" | "UpdateVariableValue" | "DeleteVariable" | "CreateGitProviderAccount" | "UpdateGitProviderAccount" | "DeleteGitProviderAccount" | "CreateDockerRegistryAccount" | "UpdateDockerRegistryAccount" | "DeleteDockerRegistryAccount";
        /** @description A change to a [`ServerConfig`]: what is missing or null stays as it is. */
        PartialServerConfig: {
            /** @description Address at which Core dials the agent; empty where the agent dials Core. */
            address?: string | null;
            /** @description Whether images that nothing uses are removed daily. */
            auto_prune?: boolean | null;
            /** @description Kept for clients. */
            auto_rotate_keys?: boolean | null;
            /**
             * Format: float
             * @description CPU use that is critical, %.
             */
            cpu_critical?: number | null;
            /**
             * Format: float
             * @description CPU use that warns, %.
             */
            cpu_warning?: number | null;
            /**
             * Format: double
             * @description Disk use that is critical, %.
             */
            disk_critical?: number | null;
            /**
             * Format: double
             * @description Disk use that warns, %.
             */
            disk_warning?: number | null;
            /** @description Whether Core speaks with its agent. */
            enabled?: boolean | null;
            /** @description Address for links to services, where it differs. */
            external_address?: string | null;
            /** @description Mount points left out of disk figures. */
            ignore_mounts?: string[] | null;
            /** @description Whether an outer certificate that cannot be verified is accepted; the inner keys are always verified. */
            insecure_tls?: boolean | null;
            /** @description Links shown with the server. */
            links?: string[] | null;
            /** @description Times without alerts. */
            maintenance_windows?: components["schemas"]["MaintenanceWindow"][] | null;
            /**
             * Format: double
             * @description Memory use that is critical, %.
             */
            mem_critical?: number | null;
            /**
             * Format: double
             * @description Memory use that warns, %.
             */
            mem_warning?: number | null;
            /** @description Kept for clients; always empty in answers. */
            passkey?: string | null;
            /** @description Region, free text. */
            region?: string | null;
            /** @description Whether an alert is sent on CPU use. */
            send_cpu_alerts?: boolean | null;
            /** @description Whether an alert is sent on disk use. */
            send_disk_alerts?: boolean | null;
            /** @description Whether an alert is sent on memory use. */
            send_mem_alerts?: boolean | null;
            /** @description Whether an alert is sent when it cannot be reached. */
            send_unreachable_alerts?: boolean | null;
            /** @description Whether an alert is sent when versions differ. */
            send_version_mismatch_alerts?: boolean | null;
            /** @description Whether figures of the host are kept. */
            stats_monitoring?: boolean | null;
        };
        /** @description Pauses every running container on a server, save the protected ones. */
        PauseAllContainers: {
            /** @description Containers that are left alone, by name or id. */
            exclude?: string[];
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description Pauses a container. */
        PauseContainer: {
            /** @description Container, by name or id. */
            container: string;
            /** @description Where it runs the agent: the agent goes on purpose. Needs Write. */
            detach?: boolean;
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Why a container that is part of the control path is acted on all the same; needs Write, is audited. */
            override?: string | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description What is known of a server's agent. */
        PeripheryInformation: {
            /** @description Whether no terminals can be opened in containers. */
            container_terminals_disabled: boolean;
            /** @description Whether the Engine answers. */
            docker_connected: boolean;
            /** @description Public address, where it is known. */
            public_ip?: string | null;
            /** @description Public key of the agent. */
            public_key: string;
            /** @description Time between samples of host figures. */
            stats_polling_rate: components["schemas"]["Timelength"];
            /** @description Whether no terminals can be opened. */
            terminals_disabled: boolean;
            /** @description Version of the agent. */
            version: string;
        };
        /** @description How much a user may do with a resource; each level holds the ones before it. */
        PermissionLevel: "None" | "Read" | "Execute" | "Write";
        PermissionLevelAndSpecifics: components["schemas"]["PermissionLevel"] | {
            level?: components["schemas"]["PermissionLevel"];
            specific?: components["schemas"]["SpecificPermission"][];
        };
        /** @description What an operation would do now. */
        Plan: {
            /**
             * Format: int64
             * @description Time of the view that the plan rests on.
             */
            as_of: number;
            /** @description Totals of the items. */
            counts: components["schemas"]["PlanCounts"];
            /** @description Hash over the facts that the plan shows. */
            hash: string;
            /** @description The containers in range: protected ones first, then those acted on in order, then the rest. */
            items: components["schemas"]["PlanItem"][];
            /** @description Name of the request. */
            operation: string;
            /**
             * Format: uint32
             * @description Where something is handed over: seconds for which it is watched before it is confirmed.
             */
            probation_s?: number | null;
            /** @description Id of the server. */
            server: string;
            /** @description Name of the server. */
            server_name: string;
            /** @description Whether `UndoUpdate` can bring the state back. */
            undo: boolean;
            /** @description What else to know, one sentence each. */
            warnings: string[];
        };
        /** @description How many containers a plan treats how. */
        PlanCounts: {
            /**
             * Format: uint32
             * @description Acted on.
             */
            act: number;
            /**
             * Format: uint32
             * @description Excluded by the caller.
             */
            excluded: number;
            /**
             * Format: uint32
             * @description Kept because they are protected.
             */
            protected: number;
            /**
             * Format: uint32
             * @description Refused.
             */
            refused: number;
            /**
             * Format: uint32
             * @description In the asked state already, or in one that the operation does not apply to.
             */
            unchanged: number;
        };
        /** @description One container in a plan. */
        PlanItem: {
            /** @description Ids of containers of this plan that are acted on before this one. */
            after?: string[];
            /** @description The state that an undo brings it back to: one that was paused is started and paused again. Additive. */
            back_to?: components["schemas"]["ContainerStateStatusEnum"] | null;
            /** @description Where the agent goes on purpose: the command that brings it back, to be run on its host. Additive. */
            bring_back?: string | null;
            /**
             * Format: uint64
             * @description Bytes that go with it (prune).
             */
            bytes?: number | null;
            /** @description Whether its restart policy brings it back after a restart of the Engine although it is stopped now. */
            comes_back?: boolean;
            /** @description Name. */
            container: string;
            /** @description Names of running containers that depend on it and feel the effect. */
            dependants?: string[];
            /** @description What happens to it. */
            effect: components["schemas"]["Effect"];
            /** @description Id. */
            id: string;
            /** @description Image. */
            image?: string | null;
            /** @description Published ports that go dark, `0.0.0.0:8080/tcp`. */
            ports?: string[];
            /** @description Compose project. */
            project?: string | null;
            /** @description Every reason that protects it, also where the effect is `act`. */
            protected?: components["schemas"]["Reason"][];
            /** @description Why it is skipped or refused; the strongest reason. */
            reason?: components["schemas"]["Reason"] | null;
            /** @description Run state that the plan rests on. */
            state: components["schemas"]["ContainerStateStatusEnum"];
            /** @description Where it is removed (destroy, prune): names of its volumes and sources of its binds, which stay. */
            volumes?: string[];
        };
        /** @description Says what an execute request would do to which containers, and why not to others, without doing it. */
        PlanOperation: {
            /**
             * @description Its parameters.
             * @default {}
             */
            params?: {
                [key: string]: unknown;
            };
            /** @description Name of an execute request. */
            type: string;
        };
        /** @description A port of a container, published or not. */
        Port: {
            /** @description Host address that the port is bound to. */
            IP?: string | null;
            /**
             * Format: uint16
             * @description Port in the container.
             * @default 0
             */
            PrivatePort?: number;
            /**
             * Format: uint16
             * @description Port on the host.
             */
            PublicPort?: number | null;
            /**
             * @description Protocol.
             * @default
             */
            Type?: components["schemas"]["PortTypeEnum"];
        };
        /** @description An address on the host that a port is published on. */
        PortBinding: {
            /** @default null */
            HostIp?: string | null;
            /** @default null */
            HostPort?: string | null;
        };
        /**
         * @description Protocol of a port.
         * @enum {string}
         */
        PortTypeEnum: "" | "tcp" | "udp" | "sctp";
        /** @description A program of the agent that Core serves, or is to be run. */
        Program: {
            /** @description Architecture, as Rust names it: `x86_64`, `aarch64`. */
            architecture: string;
            /**
             * Format: uint64
             * @description Length in bytes.
             */
            bytes: number;
            /** @description SHA-256 of the file, in hex. */
            sha256: string;
            /** @description Ed25519 signature of the Core that serves it over all of the above, base64. */
            signature: string;
            /** @description Version of the agent. */
            version: string;
        };
        /** @description A protected container and why. */
        Protected: {
            /** @description Name. */
            container: string;
            /** @description Id. */
            id: string;
            /** @description All reasons, the strongest first. */
            protected: components["schemas"]["Reason"][];
        };
        /** @description Removes every stopped container on a server, save the protected ones. */
        PruneContainers: {
            /** @description Containers that are left alone, by name or id. */
            exclude?: string[];
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description A reason with what it was found by. */
        Reason: {
            /** @description What it was found by: a label, the container that depends on it, a server's name. */
            detail?: string | null;
            /** @description Stable code. */
            reason: components["schemas"]["ReasonCode"];
        };
        /** @description Why a container is left alone or refused. Stable; clients translate by it. */
        ReasonCode: "agent" | "agent-dependency" | "core" | "core-dependency" | "declared" | "label" | "already" | "not-applicable" | "excluded" | "gone" | "canceled" | "changed-since";
        /** @description A restart into a new container with the same configuration; for what runs the agent or Core. */
        Recreate: {
            /** @description Image of the new one, by name or id; absent is the same name as before, looked up anew. */
            image?: string | null;
        };
        /** @description Renames a server. */
        RenameServer: {
            /** @description Server, by id or name. */
            id: string;
            /** @description New name. */
            name: string;
        };
        /** @description A resource with everything known of it. */
        Resource: {
            /** @description Id. */
            _id?: components["schemas"]["MongoIdObj"];
            /**
             * @description What every user may do with it.
             * @default {
             *       "level": "None",
             *       "specific": []
             *     }
             */
            base_permission?: components["schemas"]["PermissionLevelAndSpecifics"];
            /** @description What users configured. */
            config?: components["schemas"]["ServerConfig"];
            /**
             * @description Free text.
             * @default
             */
            description?: string;
            /** @description What Core found out. */
            info?: components["schemas"]["ServerInfo"];
            /** @description Name, unique among its kind. */
            name: string;
            /**
             * @description Tag ids.
             * @default []
             */
            tags?: string[];
            /**
             * @description Whether others are copied from it.
             * @default false
             */
            template?: boolean;
            /**
             * Format: int64
             * @description Time of the last change.
             * @default 0
             */
            updated_at?: number;
        };
        /** @description A resource in a list. */
        ResourceListItem: {
            /** @description Id. */
            id: string;
            /** @description State and the like. */
            info: components["schemas"]["ServerListItemInfo"];
            /** @description Name. */
            name: string;
            /** @description Tag ids. */
            tags: string[];
            /** @description Whether others are copied from it. */
            template: boolean;
            /** @description Kind. */
            type: components["schemas"]["ResourceTargetVariant"];
        };
        /** @description Which resources of a kind are asked for. */
        ResourceQuery: {
            /**
             * @description Ids or names; where both are given, both must match.
             * @default []
             */
            names?: string[];
            /** @description What only this kind has. */
            specific?: components["schemas"]["ServerQuerySpecifics"];
            /**
             * @description How several tags combine.
             * @default All
             */
            tag_behavior?: components["schemas"]["TagQueryBehavior"];
            /**
             * @description Tags, by id or name.
             * @default []
             */
            tags?: string[];
            /**
             * @description Whether templates are among the results.
             * @default Include
             */
            templates?: components["schemas"]["TemplatesQueryBehavior"];
            /**
             * @description Each must be part of the name, in any case.
             * @default []
             */
            terms?: string[];
        };
        /** @description Weight of a block device. */
        ResourcesBlkioWeightDevice: {
            /** @default null */
            Path?: string | null;
            /**
             * Format: uint
             * @default null
             */
            Weight?: number | null;
        };
        /** @description A limit of resources. */
        ResourcesUlimits: {
            /**
             * Format: int64
             * @default null
             */
            Hard?: number | null;
            /** @default null */
            Name?: string | null;
            /**
             * Format: int64
             * @default null
             */
            Soft?: number | null;
        };
        /** @description A resource by kind and id; `System` has the id `system`. */
        ResourceTarget: {
            id: string;
            /** @constant */
            type: "System";
        } | {
            id: string;
            /** @constant */
            type: "Swarm";
        } | {
            id: string;
            /** @constant */
            type: "Server";
        } | {
            id: string;
            /** @constant */
            type: "Stack";
        } | {
            id: string;
            /** @constant */
            type: "Deployment";
        } | {
            id: string;
            /** @constant */
            type: "Build";
        } | {
            id: string;
            /** @constant */
            type: "Repo";
        } | {
            id: string;
            /** @constant */
            type: "Procedure";
        } | {
            id: string;
            /** @constant */
            type: "Action";
        } | {
            id: string;
            /** @constant */
            type: "Builder";
        } | {
            id: string;
            /** @constant */
            type: "Alerter";
        } | {
            id: string;
            /** @constant */
            type: "ResourceSync";
        };
        /**
         * @description Kinds of resources.
         * @enum {string}
         */
        ResourceTargetVariant: "System" | "Swarm" | "Server" | "Stack" | "Deployment" | "Build" | "Repo" | "Procedure" | "Action" | "Builder" | "Alerter" | "ResourceSync";
        /** @description Restarts every running container on a server, save the protected ones. */
        RestartAllContainers: {
            /** @description Containers that are left alone, by name or id. */
            exclude?: string[];
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description Restarts a container. One that runs the agent or Core is handed over to a helper. */
        RestartContainer: {
            /** @description Container, by name or id. */
            container: string;
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Why a container that is part of the control path is acted on all the same; needs Write, is audited. */
            override?: string | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Makes a new container of it, with the same configuration; for what runs the agent or Core. Needs Write. */
            recreate?: components["schemas"]["Recreate"] | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /**
         * @description Restarts the agent of a server: a helper on its host restarts its service, or its container, and Core watches that it
         *     comes back.
         */
        RestartPeriphery: {
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
        };
        /** @description When the Engine starts a container again. */
        RestartPolicy: {
            /**
             * Format: int64
             * @default null
             */
            MaximumRetryCount?: number | null;
            /** @default  */
            Name?: components["schemas"]["RestartPolicyNameEnum"];
        };
        /** @description When the Engine starts a container again. */
        RestartPolicyNameEnum: ("no" | "always" | "unless-stopped" | "on-failure") | "";
        /**
         * @description Updates the agents of many servers: one at first, then in waves, each only when all of the one before are confirmed.
         *     Halts at the first that is not. Servers that are away, or that neither `image` nor `version` is for, are left out, with
         *     the reason. For administrators.
         */
        RollPeriphery: {
            /** @description For agents in containers: image of the new ones. One of `image` and `version` is needed, or both. */
            image?: string | null;
            /**
             * Format: uint32
             * @description Seconds between two waves; none where it is not said.
             */
            pause_s?: number | null;
            /** @description Servers, by id or name; the first that is there goes first and alone. */
            servers?: string[];
            /** @description Also the servers with one of these tags, by id or name. */
            tags?: string[];
            /** @description For agents that are services of systemd: version of the programs that they are to run. */
            version?: string | null;
            /**
             * Format: uint32
             * @description Servers of a wave; 5 where it is not said.
             */
            wave_size?: number | null;
        };
        /** @description How several search terms combine. */
        SearchCombinator: "Or" | "And";
        /** @description Gets the lines of a container's log that contain some terms. */
        SearchContainerLog: {
            /**
             * @description How several terms combine.
             * @default Or
             */
            combinator?: components["schemas"]["SearchCombinator"];
            /** @description Container, by name or id. */
            container: string;
            /**
             * @description The lines that do not match instead.
             * @default false
             */
            invert?: boolean;
            /** @description Server, by id or name. */
            server: string;
            /** @description What to search for. */
            terms: string[];
            /**
             * @description Whether each line starts with its time.
             * @default false
             */
            timestamps?: boolean;
        };
        /** @description How much of a program an agent has. */
        Sent: {
            /**
             * Format: uint64
             * @description What it has, in bytes.
             */
            bytes: number;
            /**
             * Format: uint64
             * @description All of it, in bytes.
             */
            of: number;
        };
        /**
         * @description An error as the API answers it.
         *
         *     Serializes to the body of the contract (`error`, `trace`) with the additive fields `code`, `params` and
         *     `request_id` (set at the edge).
         */
        Serror: {
            /**
             * @description Stable code.
             * @default internal
             */
            code?: components["schemas"]["Code"];
            /** @description What is wrong and what to do about it: one or two sentences. */
            error: string;
            /** @description Facts the text was made of (names, times, ids), for translation and for scripts. */
            params?: {
                [key: string]: unknown;
            };
            /** @description Id of the request, as in the log of Core. */
            request_id?: string | null;
            /** @description Causes, outer to inner; never an empty string. */
            trace: string[];
        };
        /** @description What is being done on a server right now. */
        ServerActionState: {
            /** Format: uint32 */
            destroying_containers: number;
            /** Format: uint32 */
            pausing_containers: number;
            pruning_builders: boolean;
            pruning_buildx: boolean;
            pruning_containers: boolean;
            pruning_images: boolean;
            pruning_networks: boolean;
            pruning_system: boolean;
            pruning_volumes: boolean;
            /** Format: uint32 */
            restarting_containers: number;
            /** Format: uint32 */
            starting_containers: number;
            /** Format: uint32 */
            stopping_containers: number;
            /** Format: uint32 */
            unpausing_containers: number;
        };
        /** @description The agent of a server beside this Core. */
        ServerAgent: {
            /** @description What its programs are built for, as Rust names it: `x86_64`, `aarch64`; absent where it has not said. */
            architecture?: string | null;
            /** @description Whether it runs in a container, which `UpdatePeriphery` can replace. */
            in_container: boolean;
            /**
             * Format: uint32
             * @description Level that it speaks; absent where it has not said so since Core knows levels.
             */
            level?: number | null;
            /** @description The service of systemd that it runs as, whose program `UpdatePeriphery` can replace; absent where it is none. */
            service?: components["schemas"]["ServerAgentService"] | null;
            /** @description Where it lies behind: how far. */
            skew?: components["schemas"]["VersionSkew"] | null;
            /** @description Version. */
            version: string;
            /** @description Where it lies behind: what that means, one sentence for people. */
            why?: string | null;
        };
        /** @description The service of systemd that the agent of a server runs as. */
        ServerAgentService: {
            /** @description Why its program cannot be replaced, where that is so; it can be restarted all the same. */
            fixed?: string | null;
            /** @description SHA-256 of the program that runs, in hex. */
            sha256: string;
            /** @description Name of its unit: `komodo-periphery.service`. */
            unit: string;
            /** @description Whether it is of a user's systemd, not the system's. */
            user: boolean;
        };
        /** @description Levels at which alerts are sent, %. */
        ServerAlertingThresholds: {
            /**
             * Format: float
             * @default 99
             */
            cpu_critical?: number;
            /**
             * Format: float
             * @default 90
             */
            cpu_warning?: number;
            /**
             * Format: double
             * @default 95
             */
            disk_critical?: number;
            /**
             * Format: double
             * @default 75
             */
            disk_warning?: number;
            /**
             * Format: double
             * @default 95
             */
            mem_critical?: number;
            /**
             * Format: double
             * @default 75
             */
            mem_warning?: number;
        };
        /** @description What users configure of a server. */
        ServerConfig: {
            /**
             * @description Address at which Core dials the agent; empty where the agent dials Core.
             * @default
             */
            address?: string;
            /**
             * @description Whether images that nothing uses are removed daily.
             * @default true
             */
            auto_prune?: boolean;
            /**
             * @description Kept for clients.
             * @default true
             */
            auto_rotate_keys?: boolean;
            /**
             * Format: float
             * @description CPU use that is critical, %.
             * @default 99
             */
            cpu_critical?: number;
            /**
             * Format: float
             * @description CPU use that warns, %.
             * @default 90
             */
            cpu_warning?: number;
            /**
             * Format: double
             * @description Disk use that is critical, %.
             * @default 95
             */
            disk_critical?: number;
            /**
             * Format: double
             * @description Disk use that warns, %.
             * @default 75
             */
            disk_warning?: number;
            /**
             * @description Whether Core speaks with its agent.
             * @default false
             */
            enabled?: boolean;
            /**
             * @description Address for links to services, where it differs.
             * @default
             */
            external_address?: string;
            /**
             * @description Mount points left out of disk figures.
             * @default []
             */
            ignore_mounts?: string[];
            /**
             * @description Whether an outer certificate that cannot be verified is accepted; the inner keys are always verified.
             * @default true
             */
            insecure_tls?: boolean;
            /**
             * @description Links shown with the server.
             * @default []
             */
            links?: string[];
            /**
             * @description Times without alerts.
             * @default []
             */
            maintenance_windows?: components["schemas"]["MaintenanceWindow"][];
            /**
             * Format: double
             * @description Memory use that is critical, %.
             * @default 95
             */
            mem_critical?: number;
            /**
             * Format: double
             * @description Memory use that warns, %.
             * @default 75
             */
            mem_warning?: number;
            /**
             * @description Kept for clients; always empty in answers.
             * @default
             */
            passkey?: string;
            /**
             * @description Region, free text.
             * @default
             */
            region?: string;
            /**
             * @description Whether an alert is sent on CPU use.
             * @default true
             */
            send_cpu_alerts?: boolean;
            /**
             * @description Whether an alert is sent on disk use.
             * @default true
             */
            send_disk_alerts?: boolean;
            /**
             * @description Whether an alert is sent on memory use.
             * @default true
             */
            send_mem_alerts?: boolean;
            /**
             * @description Whether an alert is sent when it cannot be reached.
             * @default true
             */
            send_unreachable_alerts?: boolean;
            /**
             * @description Whether an alert is sent when versions differ.
             * @default true
             */
            send_version_mismatch_alerts?: boolean;
            /**
             * @description Whether figures of the host are kept.
             * @default true
             */
            stats_monitoring?: boolean;
        };
        /** @description What Core found out about a server. */
        ServerInfo: {
            /**
             * @description Public key of an agent that was refused; empty where none was.
             * @default
             */
            attempted_public_key?: string;
            /**
             * @description Public key of its agent, pinned.
             * @default
             */
            public_key?: string;
        };
        /** @description What lists tell of a server. */
        ServerListItemInfo: {
            address?: string | null;
            /** @description What its agent is, and how far that lies behind Core; absent where none ever connected. */
            agent?: components["schemas"]["ServerAgent"] | null;
            /** @description Levels of alerts. */
            alerting_thresholds: components["schemas"]["ServerAlertingThresholds"];
            attempted_public_key?: string | null;
            /**
             * Format: int64
             * @description Time the host was started.
             */
            boot_ts?: number | null;
            /** @description Whether no terminals can be opened in containers. */
            container_terminals_disabled: boolean;
            /** @description Containers, and how many of them run. */
            containers?: components["schemas"]["ContainerCounts"] | null;
            /**
             * Format: uint32
             * @description Physical cores.
             */
            core_count?: number | null;
            /** @description Why it is not `Ok`, in the form of the contract. */
            err?: components["schemas"]["Serror"] | null;
            external_address?: string | null;
            /**
             * Format: int64
             * @description Time of the last contact.
             */
            last_seen?: number | null;
            /**
             * Format: uint32
             * @description Logical cores.
             */
            logical_core_count?: number | null;
            public_ip?: string | null;
            public_key?: string | null;
            /** @description Why it is not `Ok`. Additive, as are all below. */
            reason?: components["schemas"]["ServerReason"] | null;
            region: string;
            send_cpu_alerts: boolean;
            send_disk_alerts: boolean;
            send_mem_alerts: boolean;
            send_unreachable_alerts: boolean;
            send_version_mismatch_alerts: boolean;
            /** @description State. */
            state: components["schemas"]["ServerState"];
            /** @description Last figures of the host. */
            stats?: components["schemas"]["MinimalSystemStats"] | null;
            /** @description Whether no terminals can be opened. */
            terminals_disabled: boolean;
            /** @description Version of the agent. */
            version?: string | null;
        };
        /** @description What only servers are asked by. */
        ServerQuerySpecifics: {
            /**
             * @description In one of these states.
             * @default []
             */
            states?: components["schemas"]["ServerState"][];
        };
        /** @description Why a server is not `Ok`, since when. */
        ServerReason: {
            /** @description Where it was detached: the command that brings the agent back, to be run on its host. */
            bring_back?: string | null;
            /** @description Where it was detached: name of the user who did it. */
            by?: string | null;
            /** @description Stable code. */
            code: components["schemas"]["ServerReasonCode"];
            /**
             * Format: int64
             * @description Since when; absent where it never was otherwise.
             */
            since?: number | null;
            /** @description One sentence for people. */
            why: string;
        };
        /** @description Why a server is not `Ok`. Stable; clients translate by it. */
        ServerReasonCode: "never_connected" | "unreachable" | "agent_stopped" | "detached" | "handed_over" | "key_refused" | "docker";
        /**
         * @description What servers are sorted by.
         * @enum {string}
         */
        ServerSortBy: "Name" | "Region" | "Version" | "State" | "Cpu" | "Memory" | "Disk" | "LoadAverage" | "Network";
        /** @description State of a server. Closed: strict clients break on a new value. */
        ServerState: "Ok" | "NotOk" | "Disabled";
        /** @description How bad it is. */
        SeverityLevel: "OK" | "WARNING" | "CRITICAL";
        /** @description Creates an account with name and password. */
        SignUpLocalUser: {
            /** @description Password, at most 1000 characters. */
            password: string;
            /** @description One-time setup token of a fresh installation without a configured administrator. Additive. */
            setup_token?: string | null;
            /** @description Name, `^[a-zA-Z0-9._@-]+$`, at most 100 characters. */
            username: string;
        };
        /** @description Use of one mounted file system, in GiB. */
        SingleDiskUsage: {
            /** @description File system type. */
            file_system: string;
            /** @description Mount point. */
            mount: string;
            /**
             * Format: double
             * @description Total, GiB.
             */
            total_gb: number;
            /**
             * Format: double
             * @description Used, GiB.
             */
            used_gb: number;
        };
        /** @description Rights that no level brings by itself. */
        SpecificPermission: "Terminal" | "Attach" | "Inspect" | "Logs" | "Processes";
        /**
         * @description State of a stack.
         * @enum {string}
         */
        StackState: "deploying" | "running" | "paused" | "stopped" | "created" | "restarting" | "dead" | "removing" | "unhealthy" | "down" | "unknown";
        /** @description What an open Update is at. */
        Stage: "queued" | "sending" | "asking" | "acting" | "canceling" | "waiting" | "settling" | "handed_over" | "probation";
        /** @description Starts every stopped container on a server, save the protected ones. */
        StartAllContainers: {
            /** @description Containers that are left alone, by name or id. */
            exclude?: string[];
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description Starts a container. */
        StartContainer: {
            /** @description Container, by name or id. */
            container: string;
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Why a container that is part of the control path is acted on all the same; needs Write, is audited. */
            override?: string | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description Stops every running container on a server, save the protected ones. */
        StopAllContainers: {
            /** @description Containers that are left alone, by name or id. */
            exclude?: string[];
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description Stops a container. */
        StopContainer: {
            /** @description Container, by name or id. */
            container: string;
            /** @description Where it runs the agent: the agent goes on purpose. Needs Write. */
            detach?: boolean;
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Why a container that is part of the control path is acted on all the same; needs Write, is audited. */
            override?: string | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /**
             * @description Signal to stop it with.
             * @default null
             */
            signal?: components["schemas"]["TerminationSignal"] | null;
            /**
             * Format: int32
             * @description Seconds to wait for its end before it is killed.
             * @default null
             */
            time?: number | null;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description What a host is; changes only when it restarts. */
        SystemInformation: {
            /**
             * Format: int64
             * @description Time the host was started; absent where the agent cannot tell.
             */
            boot_ts?: number | null;
            /**
             * Format: uint32
             * @description Physical cores.
             */
            core_count?: number | null;
            /**
             * @description CPU architecture.
             * @default
             */
            cpu_arch?: string;
            /**
             * @description CPU model.
             * @default
             */
            cpu_brand?: string;
            /** @description Host name. */
            host_name?: string | null;
            /** @description Kernel release. */
            kernel?: string | null;
            /**
             * Format: uint32
             * @description Logical cores.
             */
            logical_core_count?: number | null;
            /** @description Distribution. */
            name?: string | null;
            /** @description Operating system and version. */
            os?: string | null;
        };
        /** @description Load averages over 1, 5 and 15 minutes. */
        SystemLoadAverage: {
            /**
             * Format: double
             * @description Over 15 minutes.
             */
            fifteen: number;
            /**
             * Format: double
             * @description Over 5 minutes.
             */
            five: number;
            /**
             * Format: double
             * @description Over 1 minute.
             */
            one: number;
        };
        /** @description How loaded a host is. Sizes in GiB, network in bytes since the sample before. */
        SystemStats: {
            /**
             * Format: float
             * @description CPU use of all cores, %.
             */
            cpu_perc: number;
            /** @description Mounted file systems. */
            disks: components["schemas"]["SingleDiskUsage"][];
            /**
             * @description Load averages.
             * @default {
             *       "fifteen": 0,
             *       "five": 0,
             *       "one": 0
             *     }
             */
            load_average?: components["schemas"]["SystemLoadAverage"];
            /**
             * Format: double
             * @description Buffers and cache, GiB.
             * @default 0
             */
            mem_buff_cache_gb?: number;
            /**
             * Format: double
             * @description Free memory, GiB.
             * @default 0
             */
            mem_free_gb?: number;
            /**
             * Format: double
             * @description Memory, GiB.
             */
            mem_total_gb: number;
            /**
             * Format: double
             * @description Used memory, GiB.
             */
            mem_used_gb: number;
            /**
             * Format: double
             * @description ZFS ARC, GiB.
             * @default 0
             */
            mem_zfs_arc_gb?: number;
            /**
             * Format: double
             * @description Bytes sent since the sample before.
             * @default 0
             */
            network_egress_bytes?: number;
            /**
             * Format: double
             * @description Bytes received since the sample before.
             * @default 0
             */
            network_ingress_bytes?: number;
            /** @description Time between samples. */
            polling_rate: components["schemas"]["Timelength"];
            /**
             * Format: int64
             * @description Time of the last sample of disks.
             */
            refresh_list_ts: number;
            /**
             * Format: int64
             * @description Time of this sample.
             */
            refresh_ts: number;
            /**
             * Format: double
             * @description Swap, GiB.
             * @default 0
             */
            swap_total_gb?: number;
            /**
             * Format: double
             * @description Used swap, GiB.
             * @default 0
             */
            swap_used_gb?: number;
        };
        /** @description How several tags combine. */
        TagQueryBehavior: "All" | "Any";
        /** @description Whether templates are among the results. */
        TemplatesQueryBehavior: "Include" | "Exclude" | "Only";
        /**
         * @description A signal that asks a process to end; numbers are read too.
         * @enum {string}
         */
        TerminationSignal: "SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGTERM";
        /** @description Limit of a block device. */
        ThrottleDevice: {
            /** @default null */
            Path?: string | null;
            /**
             * Format: int64
             * @default null
             */
            Rate?: number | null;
        };
        /**
         * @description A length of time as clients write it (`15-sec`).
         * @enum {string}
         */
        Timelength: "1-sec" | "2-sec" | "3-sec" | "5-sec" | "10-sec" | "15-sec" | "30-sec" | "1-min" | "2-min" | "3-min" | "5-min" | "10-min" | "15-min" | "30-min" | "1-hr" | "2-hr" | "3-hr" | "6-hr" | "8-hr" | "12-hr" | "1-day" | "2-day" | "3-day" | "1-wk" | "2-wk" | "30-day";
        /**
         * @description Brings exactly the containers that an operation changed back to the state that it found, and nothing else. Those that
         *     others changed since are reported and left alone. Only a stop, start, pause or unpause can be undone.
         */
        UndoUpdate: {
            /** @description Id of the Update that is undone. */
            id: string;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
        };
        /** @description Resumes every paused container on a server, save the protected ones. */
        UnpauseAllContainers: {
            /** @description Containers that are left alone, by name or id. */
            exclude?: string[];
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description Resumes a paused container. */
        UnpauseContainer: {
            /** @description Container, by name or id. */
            container: string;
            /**
             * Format: uint32
             * @description Seconds after which an operation that waits for its server is given up; a day where it is not said.
             */
            expires_s?: number | null;
            /** @description Why a container that is part of the control path is acted on all the same; needs Write, is audited. */
            override?: string | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /** @description Where the server is away: keeps the operation, and carries it out once when the server is back. */
            when_back?: boolean;
        };
        /** @description One thing that was done, or is being done. */
        Update: {
            /** @description Id. */
            _id?: components["schemas"]["MongoIdObj"];
            /** @description Whether `CancelUpdate` has an effect now. */
            cancelable?: boolean;
            /** @description Name of the user who canceled it. */
            canceled_by?: string | null;
            /** @description Commit, where one was used. */
            commit_hash?: string;
            /** @description Name of the one container that it is about, where its request named one. */
            container?: string | null;
            /** @description Configuration after, as TOML. */
            current_toml?: string;
            /**
             * Format: int64
             * @description Until when it may act.
             */
            deadline?: number | null;
            /**
             * Format: int64
             * @description End; null while it is open.
             */
            end_ts?: number | null;
            /**
             * Format: int64
             * @description Until when it waits for its server before it begins (`when_back`).
             */
            expires?: number | null;
            /** @description Steps. */
            logs: components["schemas"]["Log"][];
            /** @description What was done. */
            operation: components["schemas"]["Operation"];
            /** @description Id of the user who asked. */
            operator: string;
            /** @description Free text of the operation. */
            other_data?: string;
            /** @description Configuration before, as TOML. */
            prev_toml?: string;
            /**
             * Format: int64
             * @description While it is in probation: when that is over, if nothing happens.
             */
            probation_until?: number | null;
            /** @description Name of the request where `operation` has no value for it. Additive, as are all below. */
            request?: string | null;
            /** @description While a program is sent to its agent: how much of it is there. */
            sent?: components["schemas"]["Sent"] | null;
            /** @description What it is at; absent once it has ended. */
            stage?: components["schemas"]["Stage"] | null;
            /**
             * Format: int64
             * @description Start.
             */
            start_ts: number;
            /** @description How far it is. */
            status: components["schemas"]["UpdateStatus"];
            /** @description Whether nothing failed so far. */
            success: boolean;
            /** @description On what. */
            target: components["schemas"]["ResourceTarget"];
            /**
             * Format: uint32
             * @description How many targets there are in all.
             */
            targets?: number | null;
            /** @description Whether `UndoUpdate` has something to bring back. */
            undoable?: boolean;
            /** @description Id of the Update that this one undoes. */
            undoes?: string | null;
            /** @description Id of the Update that undid this one, the last where there are several. */
            undone_by?: string | null;
            /** @description One verdict per target that is settled. */
            verdicts?: components["schemas"]["Verdict"][];
            /** @description Version built, where one was. */
            version?: components["schemas"]["Version"];
            /** @description What it waits for while its server is away. */
            waiting_for?: components["schemas"]["WaitingFor"] | null;
        };
        /** @description An Update in a list. */
        UpdateListItem: {
            /** @description Whether `CancelUpdate` has an effect now. */
            cancelable?: boolean;
            /** @description Name of the user who canceled it. */
            canceled_by?: string | null;
            /** @description Name of the one container that it is about, where its request named one. */
            container?: string | null;
            /**
             * Format: int64
             * @description End; absent while it is open.
             */
            end_ts?: number | null;
            /** @description Id. */
            id: string;
            /** @description What was done. */
            operation: components["schemas"]["Operation"];
            /** @description Id of the user who asked. */
            operator: string;
            /** @description Free text of the operation. */
            other_data?: string;
            /** @description Name of the request where `operation` has no value for it. Additive, as are all below. */
            request?: string | null;
            /** @description What it is at; absent once it has ended. */
            stage?: components["schemas"]["Stage"] | null;
            /**
             * Format: int64
             * @description Start.
             */
            start_ts: number;
            /** @description How far it is. */
            status: components["schemas"]["UpdateStatus"];
            /** @description Whether nothing failed so far. */
            success: boolean;
            /** @description On what. */
            target: components["schemas"]["ResourceTarget"];
            /** @description Whether `UndoUpdate` has something to bring back. */
            undoable?: boolean;
            /** @description Name of the user who asked. */
            username: string;
            /** @description Version built, where one was. */
            version?: components["schemas"]["Version"];
            /** @description What it waits for while its server is away. */
            waiting_for?: components["schemas"]["WaitingFor"] | null;
        };
        /** @description Changes an onboarding key; what is missing or null stays as it is. */
        UpdateOnboardingKey: {
            /**
             * @description Server whose configuration is copied.
             * @default null
             */
            copy_server?: string | null;
            /**
             * @description Whether a builder is made for each server.
             * @default null
             */
            create_builder?: boolean | null;
            /**
             * @description Whether it lets anybody in.
             * @default null
             */
            enabled?: boolean | null;
            /**
             * Format: int64
             * @description When it ends, unix ms; 0 is never.
             * @default null
             */
            expires?: number | null;
            /**
             * @description Name.
             * @default null
             */
            name?: string | null;
            /**
             * @description Whether an agent may take over a server that exists.
             * @default null
             */
            privileged?: boolean | null;
            /** @description Public part of the key. */
            public_key: string;
            /**
             * @description Tags of the servers that join.
             * @default null
             */
            tags?: string[] | null;
        };
        /**
         * @description Updates the agent of a server: a helper on its host replaces its container by one with the same configuration and
         *     another image, or the program of its service by another one that Core serves, and puts the old one back where the new
         *     one is not confirmed.
         */
        UpdatePeriphery: {
            /** @description For an agent in a container: image of the new one; absent is the name that the old one has, looked up anew. */
            image?: string | null;
            /** @description Hash of the plan that was looked at; refused with `plan_drifted` when the world changed since. */
            plan?: string | null;
            /** @description Server, by id or name. */
            server: string;
            /**
             * @description For an agent that is a service of systemd: version of a program that Core serves (`ListPeripheryPrograms`); absent
             *     is the newest for its architecture. The one that it runs already is a restart.
             */
            version?: string | null;
        };
        /** @description Changes the configuration of a server. */
        UpdateServer: {
            /** @description What changes; what is missing or null stays as it is. */
            config: components["schemas"]["PartialServerConfig"];
            /** @description Server, by id or name. */
            id: string;
        };
        /** @description How far an Update is. */
        UpdateStatus: "Queued" | "InProgress" | "Complete";
        /** @description A user, without secrets: the password reads `########`. */
        User: {
            /** @description Id. */
            _id?: components["schemas"]["MongoIdObj"];
            /**
             * @description May do everything else.
             * @default false
             */
            admin?: boolean;
            /**
             * @description What the user may do with all resources of a kind.
             * @default {}
             */
            all?: {
                [key: string]: components["schemas"]["PermissionLevelAndSpecifics"];
            };
            /** @description How the user signs in. */
            config: components["schemas"]["UserConfig"];
            /**
             * @description May create builds.
             * @default false
             */
            create_build_permissions?: boolean;
            /**
             * @description May create servers.
             * @default false
             */
            create_server_permissions?: boolean;
            /**
             * @description Whether the account may do anything.
             * @default false
             */
            enabled?: boolean;
            /**
             * @description Whether a second factor is not asked after an external login.
             * @default false
             */
            external_skip_2fa?: boolean;
            /**
             * Format: int64
             * @description When the user last looked at Updates.
             * @default 0
             */
            last_update_view?: number;
            /**
             * @description Further ways to sign in.
             * @default {}
             */
            linked_logins?: {
                [key: string]: components["schemas"]["UserConfig"];
            };
            /**
             * @description Passkey.
             * @default {
             *       "created_at": 0,
             *       "passkey": null
             *     }
             */
            passkey?: components["schemas"]["UserPasskeyConfig"];
            /**
             * @description Resources used last, by kind.
             * @default {}
             */
            recents?: {
                [key: string]: string[];
            };
            /**
             * @description May also change administrators.
             * @default false
             */
            super_admin?: boolean;
            /**
             * @description One-time passwords.
             * @default {
             *       "confirmed_at": 0,
             *       "recovery_codes": [],
             *       "secret": ""
             *     }
             */
            totp?: components["schemas"]["UserTotpConfig"];
            /**
             * Format: int64
             * @description Time of the last change.
             * @default 0
             */
            updated_at?: number;
            /** @description Name to sign in with. */
            username: string;
        };
        /** @description How a user signs in. */
        UserConfig: {
            data: {
                password: string;
            };
            /** @constant */
            type: "Local";
        } | {
            data: {
                avatar: string;
                google_id: string;
            };
            /** @constant */
            type: "Google";
        } | {
            data: {
                avatar: string;
                github_id: string;
            };
            /** @constant */
            type: "Github";
        } | {
            data: {
                provider: string;
                user_id: string;
            };
            /** @constant */
            type: "Oidc";
        } | {
            data: {
                description: string;
            };
            /** @constant */
            type: "Service";
        };
        /** @description Passkey of a user; never with the credential in it. */
        UserPasskeyConfig: {
            /**
             * Format: int64
             * @description When it was created; 0 where there is none.
             */
            created_at: number;
            /** @description Always null. */
            passkey?: unknown;
        };
        /** @description One-time passwords of a user; never with secrets in it. */
        UserTotpConfig: {
            /**
             * Format: int64
             * @description When it was confirmed; 0 where it is off.
             */
            confirmed_at: number;
            /** @description Always empty. */
            recovery_codes: string[];
            /** @description Always empty. */
            secret: string;
        };
        /** @description The verdict on one target. */
        Verdict: {
            /** @description See `before`. */
            after?: components["schemas"]["ContainerStateStatusEnum"] | null;
            /**
             * Format: int64
             * @description Time of the observation.
             */
            at: number;
            /** @description Run state found before and after, for undo and for the reader. */
            before?: components["schemas"]["ContainerStateStatusEnum"] | null;
            /** @description Name of the container. */
            container: string;
            /** @description What went wrong. */
            error?: string | null;
            /** @description Id of the container; empty where none was found. */
            id: string;
            /** @description Why it was skipped or refused. */
            reason?: components["schemas"]["Reason"] | null;
            /** @description The run that was observed at the end, by which a later change by others is told. */
            run?: components["schemas"]["ContainerRun"] | null;
            /** @description How it ended. */
            verdict: components["schemas"]["VerdictKind"];
        };
        /** @description How it ended for one target, as observed on the host. */
        VerdictKind: "done" | "unchanged" | "skipped" | "failed" | "unknown";
        /** @description A version; written as an object, read from that or from `1.2.3`. */
        Version: {
            /**
             * Format: int32
             * @description Major.
             */
            major: number;
            /**
             * Format: int32
             * @description Minor.
             */
            minor: number;
            /**
             * Format: int32
             * @description Patch.
             */
            patch: number;
        };
        /** @description How far an agent lies behind Core. Stable; clients translate by it. */
        VersionSkew: "outdated" | "too_old";
        /** @description What an open Update waits for. */
        WaitingFor: {
            /**
             * Format: int64
             * @description Time of the last contact; absent where there was none since Core started.
             */
            last_contact?: number | null;
            /** @description Name of the server. */
            server: string;
            /** @description Why, where it is known. */
            why?: string | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    auth_login_envelope: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    params: Record<string, never>;
                    /** @enum {string} */
                    type: "GetLoginOptions" | "SignUpLocalUser" | "LoginLocalUser";
                };
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    auth_login_get_login_options: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetLoginOptions"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GetLoginOptionsResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    auth_login_login_local_user: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LoginLocalUser"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JwtOrTwoFactor"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    auth_login_sign_up_local_user: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignUpLocalUser"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JwtResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    auth_manage_envelope: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    params: Record<string, never>;
                    /** @enum {string} */
                    type: "CreateApiKey" | "DeleteApiKey";
                };
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    auth_manage_create_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateApiKey"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreateApiKeyResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    auth_manage_delete_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeleteApiKey"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NoData"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_envelope: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    params: Record<string, never>;
                    /** @enum {string} */
                    type: "StartContainer" | "RestartContainer" | "PauseContainer" | "UnpauseContainer" | "StopContainer" | "DestroyContainer" | "StartAllContainers" | "RestartAllContainers" | "PauseAllContainers" | "UnpauseAllContainers" | "StopAllContainers" | "PruneContainers" | "BatchContainers" | "RestartPeriphery" | "UpdatePeriphery" | "RollPeriphery" | "UndoUpdate" | "CancelUpdate";
                };
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_batch_containers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BatchContainers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_cancel_update: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CancelUpdate"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_destroy_container: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DestroyContainer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_pause_all_containers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PauseAllContainers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_pause_container: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PauseContainer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_prune_containers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PruneContainers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_restart_all_containers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RestartAllContainers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_restart_container: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RestartContainer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_restart_periphery: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RestartPeriphery"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_roll_periphery: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RollPeriphery"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_start_all_containers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StartAllContainers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_start_container: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StartContainer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_stop_all_containers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StopAllContainers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_stop_container: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StopContainer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_undo_update: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UndoUpdate"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_unpause_all_containers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UnpauseAllContainers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_unpause_container: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UnpauseContainer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    execute_update_periphery: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UpdatePeriphery"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    read_envelope: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    params: Record<string, never>;
                    /** @enum {string} */
                    type: "GetVersion" | "GetCoreInfo" | "ListServers" | "ListFullServers" | "GetServer" | "GetServerState" | "GetServersSummary" | "GetServerActionState" | "GetPeripheryInformation" | "GetSystemInformation" | "GetSystemStats" | "ListContainers" | "ListAllContainers" | "GetContainersSummary" | "InspectContainer" | "GetContainerLog" | "SearchContainerLog" | "ListProtected" | "ListUpdates" | "GetUpdate" | "ListAlerts" | "GetAlert" | "ListApiKeys" | "GetUsername" | "GetPermission" | "ListOnboardingKeys" | "PlanOperation" | "ListPeripheryPrograms";
                };
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_alert: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetAlert"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alert"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_container_log: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetContainerLog"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Log"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_containers_summary: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetContainersSummary"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GetContainersSummaryResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_core_info: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetCoreInfo"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GetCoreInfoResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_periphery_information: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetPeripheryInformation"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PeripheryInformation"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_permission: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetPermission"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PermissionLevelAndSpecifics"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_server: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetServer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Resource"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_server_action_state: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetServerActionState"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServerActionState"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_servers_summary: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetServersSummary"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GetServersSummaryResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_server_state: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetServerState"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GetServerStateResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_system_information: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetSystemInformation"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SystemInformation"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_system_stats: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetSystemStats"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SystemStats"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_update: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetUpdate"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_username: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetUsername"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GetUsernameResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_get_version: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GetVersion"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GetVersionResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_inspect_container: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InspectContainer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Container"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_alerts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListAlerts"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ListAlertsResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_all_containers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListAllContainers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerListItem"][];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_api_keys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListApiKeys"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiKey"][];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_containers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListContainers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerListItem"][];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_full_servers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListFullServers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Resource"][];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_onboarding_keys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListOnboardingKeys"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OnboardingKey"][];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_periphery_programs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListPeripheryPrograms"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Program"][];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_protected: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListProtected"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Protected"][];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_servers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListServers"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ResourceListItem"][];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_list_updates: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ListUpdates"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ListUpdatesResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_plan_operation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PlanOperation"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    read_search_container_log: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SearchContainerLog"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Log"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    get_user: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    version: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    write_envelope: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    params: Record<string, never>;
                    /** @enum {string} */
                    type: "CreateServer" | "UpdateServer" | "RenameServer" | "DeleteServer" | "CreateOnboardingKey" | "UpdateOnboardingKey" | "DeleteOnboardingKey";
                };
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    write_create_onboarding_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateOnboardingKey"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreateOnboardingKeyResponse"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    write_create_server: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateServer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Resource"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    write_delete_onboarding_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeleteOnboardingKey"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OnboardingKey"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    write_delete_server: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DeleteServer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Resource"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    write_rename_server: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RenameServer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Update"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    write_update_onboarding_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UpdateOnboardingKey"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OnboardingKey"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
    write_update_server: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UpdateServer"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Resource"];
                };
            };
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Serror"];
                };
            };
        };
    };
}
