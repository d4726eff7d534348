// Words for what the API says by a code, in Chinese.
import type { PlannedAction, ReasonCode, ServerReasonCode, UpdateStage, VerdictKind } from "../api/types";
import type { ActionWords } from "./en-codes";

const number = new Intl.NumberFormat("zh-CN");
export const n = (value: number) => number.format(value);
export const containers = (value: number) => `${n(value)} 个容器`;

const action = (verb: string, all: string, keeps: string): ActionWords => ({
  verb,
  all,
  selected: `${verb}…`,
  title: (server) => `${verb} ${server} 上的容器`,
  titleOne: (container) => `${verb} ${container}`,
  button: (value) => `${verb} ${containers(value)}`,
  will: (value) => `${containers(value)}将被${verb}`,
  keeps: (value) => `${containers(value)}受保护，${keeps}`,
  doing: (done, total) => `正在${verb}：${n(done)} / ${n(total)}`,
  did: (value) => `已${verb} ${n(value)} 个`,
  pending: `等待${verb}`,
});

export const actions: Record<PlannedAction, ActionWords> = {
  start: action("启动", "全部启动…", "保持原状"),
  restart: action("重启", "全部重启…", "将继续运行"),
  pause: action("暂停", "全部暂停…", "将继续运行"),
  unpause: action("恢复", "全部恢复…", "保持原状"),
  stop: action("停止", "全部停止…", "将继续运行"),
  destroy: action("销毁", "全部销毁…", "将予以保留"),
  prune: {
    ...action("清理", "清理…", "将予以保留"),
    title: (server) => `清理 ${server} 上已停止的容器`,
    button: (value) => `删除 ${containers(value)}`,
    will: (value) => `${containers(value)}将被删除`,
    did: (value) => `已删除 ${n(value)} 个`,
  },
  undo: {
    ...action("还原", "撤销…", "保持原状"),
    verb: "撤销",
    selected: "撤销…",
    title: (server) => `撤销 ${server} 上的操作`,
    titleOne: (container) => `撤销对 ${container} 的操作`,
  },
};

export const reasons: Record<ReasonCode, string> = {
  agent: "运行此服务器的代理：没有它就无法控制此服务器",
  "agent-dependency": "此服务器的代理依赖它",
  core: "运行 Komodo Core",
  "core-dependency": "Komodo Core 依赖它",
  declared: "所有者已声明它属于控制路径",
  label: "其标签使它不参与批量操作",
  already: "已处于该状态",
  "not-applicable": "不适用于其当前状态",
  excluded: "已由您排除",
  gone: "已不存在",
  canceled: "未尝试：操作在此之前已被取消",
  "changed-since": "之后已被他人更改，因此不作处理",
};

export const serverReasons: Record<ServerReasonCode, string> = {
  never_connected: "尚无代理连接",
  unreachable: "代理未连接",
  agent_stopped: "代理已在主机上被停止",
  detached: "已主动分离",
  handed_over: "主机上的助手正在重启或更新代理",
  key_refused: "有使用其他密钥的代理请求连接，已被拒绝",
  docker: "主机上的 Docker 没有响应",
};

export const verdicts: Record<VerdictKind, string> = {
  done: "完成",
  unchanged: "未改变",
  skipped: "已跳过",
  failed: "失败",
  unknown: "未知",
};

export const stages: Record<UpdateStage, string> = {
  queued: "等待服务器恢复",
  sending: "正在把程序发送给代理",
  asking: "正在请求代理开始",
  acting: "进行中",
  canceling: "正在取消",
  waiting: "等待代理恢复",
  settling: "正在查看无法得知的结果",
  handed_over: "已移交给主机上的助手",
  probation: "已恢复，正在观察，之后才算完成",
};

export const steps: Record<string, string> = {
  "Hand over": "已移交",
  Confirm: "已确认",
  "Roll back": "已回滚",
  Detach: "已分离",
  Back: "已恢复连接",
  Database: "Komodo Core 的数据库",
  Order: "无法执行",
  Refused: "已拒绝",
  Queue: "等待过服务器",
  Settle: "按所见事实了结",
  Store: "已保存",
  Override: "不顾保护而执行",
  Cancel: "已取消",
  Halt: "已停下",
  Canary: "先单独更新",
};

export const errors: Record<string, string> = {
  bad_json: "无法读取该请求",
  invalid: "有不允许的值",
  unauthenticated: "用户名或密码错误",
  account_disabled: "此帐户尚未启用；管理员可以启用它",
  forbidden: "您没有执行此操作的权限；管理员可以授予",
  not_found: "未找到，或您无权读取",
  method_not_allowed: "Komodo Core 不认识该请求",
  conflict: "名称已被占用",
  protected: "该容器受保护",
  busy: "另一个操作正在其上运行",
  plan_drifted: "自计划生成以来情况已改变",
  body_too_large: "请求过大",
  unsupported_media_type: "无法读取该请求",
  unprocessable: "请求格式错误",
  too_many_attempts: "尝试次数过多，请稍候",
  internal: "Komodo Core 内部出错",
  not_built: "此功能尚未实现",
  bad_agent: "代理的回答无法理解",
  server_unreachable: "服务器的代理未连接",
  engine_unreachable: "服务器上的 Docker 没有响应",
  storage_full: "Komodo Core 的磁盘已满",
  journal_full: "代理的日志已满",
  deadline_exceeded: "未能及时得到回答",
  server_disabled: "该服务器已停用",
  not_cancelable: "它已经结束，没有可取消的",
  not_undoable: "没有可以恢复的内容",
  network: "无法连接 Komodo Core",
  deadline: "未能及时得到回答",
};

export const operations: Record<string, string> = {
  StartContainer: "启动容器",
  RestartContainer: "重启容器",
  PauseContainer: "暂停容器",
  UnpauseContainer: "恢复容器",
  StopContainer: "停止容器",
  DestroyContainer: "销毁容器",
  StartAllContainers: "启动所有容器",
  RestartAllContainers: "重启所有容器",
  PauseAllContainers: "暂停所有容器",
  UnpauseAllContainers: "恢复所有容器",
  StopAllContainers: "停止所有容器",
  PruneContainers: "清理容器",
  BatchContainers: "对多个容器执行操作",
  RestartPeriphery: "重启代理",
  UpdatePeriphery: "更新代理",
  RollPeriphery: "分批更新代理",
  UndoUpdate: "撤销",
  CancelUpdate: "取消",
  CreateServer: "创建服务器",
  UpdateServer: "更改服务器",
  RenameServer: "重命名服务器",
  DeleteServer: "移除服务器",
  UpdateServerKey: "更改服务器密钥",
};
