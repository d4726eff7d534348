// Words of operations on the agent and on Core themselves, in Chinese.
import type { Words } from "./en";
import { containers } from "./zh-cn-codes";

export const handOver: Words["handOver"] = {
  will: (value) => `${containers(value)}将移交给主机上的助手`,
  restarts: "助手会停止它，然后重新启动。",
  replaces: "助手会用新容器替换它：配置相同，镜像名称相同并重新解析。",
  replacesBy: (image) => `助手会用新容器替换它：配置相同，镜像为 ${image}。`,
  ports: (ports) => `将短暂中断的端口：${ports}`,
  proof: (time) => `只有当 Komodo Core 重新连上它并不间断地观察 ${time}之后，才算完成。`,
  proofAny: "只有当 Komodo Core 重新连上它并不间断地观察一段时间之后，才算完成。",
  rollBack: "如果未能及时得到确认，助手会将它完全恢复原状。",
  away: "期间与服务器的连接会断开，随后恢复。其他容器继续运行。",
  awayCore: "期间 Komodo Core 不可用；此页面会自动重新连接。所有容器继续运行。",
  restart: (container) => `由助手重启 ${container}`,
  replace: (container) => `由助手替换 ${container}`,
  pending: "由助手处理",
  acts: "主机上的助手正在停止并重新启动它。期间连接会断开，随后恢复；显示的是最后已知的状态。",
  until: (at) => `如果未得到确认，到 ${at} 它会恢复原状。`,
  watched: "它已重新连接。Komodo Core 会观察一段时间之后才算完成；如果失败，助手会将它恢复原状。",
  left: (text) => `如无异常，将在 ${text}后确认。`,
};

export const detach: Words["detach"] = {
  will: (value) => `${containers(value)}将主动离开`,
  isAgent: "它运行此服务器的代理。Komodo 不会随手切断自己的连接；如果确实需要，请分离该服务器。",
  isCore: "它运行 Komodo Core。Komodo 不会随手关闭自己；如果确实需要，请明确说明。",
  offer: "分离…",
  title: (what, server) => `${what}，分离 ${server}`,
  needsWrite: "需要对此服务器的写入权限；管理员可以授予。",
  onHost: "在主机上执行：",
  command: "在主机上执行的命令",
  whatIsLost: "在它恢复之前将失去",
  lost: (server) => `无法从这里对 ${server} 做任何事：没有操作、日志和数据。也无法从这里撤销。`,
  noAlert: "服务器显示为已分离，不会产生告警。",
  lostCore: "Komodo Core 将关闭：任何人都无法查看或操作其服务器。",
  lostCorePage: "此页面也会随之不可用。",
  keepsRunning: "其他容器继续运行。",
  bringBack: "在主机上执行以下命令即可恢复：",
  bringBackRemoved: (container) => `要恢复它，须再次使用创建 ${container} 的命令或 compose 文件。这里无法显示该命令。`,
  typeName: (server) => `输入 ${server} 以确认`,
  go: (server) => `分离 ${server}`,
  goCore: "关闭 Komodo Core",
  done: (container, server) => `${container} 已主动离开，${server} 已分离。`,
  by: (name) => `已由 ${name} 分离`,
  since: (at, age) => `自 ${at} 起（${age}）。`,
  until: "在其主机上恢复代理之前，无法对此服务器做任何事：",
  shown: (at) => `显示的是 ${at} 的状态`,
};

export const agent: Words["agent"] = {
  update: "更新代理…",
  title: (server) => `更新 ${server} 的代理`,
  intro: (container, version) =>
    `代理运行在容器 ${container} 中，版本 ${version}。新容器将以相同的配置取代它；在您看过计划之前不会执行任何操作。`,
  image: "镜像",
  imageHint: "当前镜像会重新解析；其他名称或标签如不存在则会拉取。",
  imageWrong: "请输入镜像名称，不含空格。",
  plan: "查看计划",
  noContainer: "此服务器的代理不在容器中运行，因此没有可用于更新的镜像。",
  onHost:
    "请在主机上用新程序替换旧程序，然后重启其服务：systemctl restart komodo-periphery。服务器会短暂离线，随后自动恢复。",
};
