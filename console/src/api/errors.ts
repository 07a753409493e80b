/** What the server's errors are called in the page's language: by their code, else in the server's own sentence. */
import { language } from '../i18n/language.svelte';
import type { ApiError } from './types';

/** English is the server's own. `{message}` stands for what the server says of this one case. */
const CHINESE: Record<string, string> = {
  // asking
  context_length_exceeded: '对话超出了模型的上下文长度。请缩短内容、开始新对话，或在参数中选择“省略最早的消息”。',
  model_not_found: '找不到该模型，它可能已被删除。请选择其他模型，或在“模型”页下载它。',
  model_not_supported: '模型不支持此操作。请选择其他模型。（{message}）',
  not_ready: '模型正在加载或重启，请稍后再试。',
  engine_died: '推理引擎意外退出，正在重新启动。请稍后重试。',
  out_of_memory: '内存不足，无法加载模型。请卸载其他模型、缩短上下文，或选择更小的模型。',
  rate_limit_exceeded: '请求过于频繁，或服务器正忙。请稍等片刻再试。',
  body_too_large: '内容过大，服务器无法接收。请减少附件或缩短内容。',
  not_kept: '此回答未能保存，请复制需要的内容后重试。（{message}）',
  // other servers
  upstream_unreachable: '无法连接提供该模型的服务器。请确认它正在运行，然后重试。（{message}）',
  upstream_error: '提供该模型的服务器出错，请重试。（{message}）',
  upstream_refused: '提供该模型的服务器拒绝了此请求。（{message}）',
  upstream_key: '提供该模型的服务器不接受所配置的密钥，请联系管理员。（{message}）',
  // what is kept
  not_found: '找不到所请求的内容，它可能已被删除。',
  conflict: '与已有内容冲突。（{message}）',
  storage: '服务器磁盘空间不足或无法写入。请腾出空间后重试。（{message}）',
  workspace_unavailable: '数据库暂时无法使用，请稍后重试。（{message}）',
  // models
  download_failed: '模型下载失败，已下载的部分会保留。请检查网络后继续。（{message}）',
  not_a_model: '此文件不是可用的 GGUF 模型。（{message}）',
  served: '服务器启动时指定了此模型，运行期间不能删除。',
  in_use: '模型正在使用中。请先停止正在生成的回答，再删除。',
  // accounts
  signed_out: '已退出登录，请重新登录。',
  administrators_only: '只有管理员可以执行此操作，请联系管理员。',
  invalid_api_key: '服务器需要有效的 API 密钥。',
  too_many_keys: 'API 密钥数量已达上限。请先撤销不再使用的密钥。',
  no_accounts: '此服务器还没有账户。',
  own_account: '不能对自己的账户执行此操作，请由其他管理员处理。',
  first_is_administrator: '第一个账户必须是管理员。',
  // the way there
  other_machine: '此控制台仅限服务器本机访问。请先在服务器上用 sevenb user add NAME --admin 创建账户，再在此登录。',
  host_not_allowed: '服务器不接受此主机名。如果该主机名是自己的，请用 --allowed-host 启动服务器。（{message}）',
  cross_site: '服务器只接受来自控制台页面的请求，请刷新页面。',
  console_only: '服务器只接受来自控制台页面的请求，请刷新页面。',
  method_not_allowed: '页面与服务器版本不一致，请刷新页面。',
  internal_error: '服务器遇到意外错误，详情见服务器日志。',
};

/** A sentence for an error that the server told. */
export function told({ code, message }: Pick<ApiError, 'code' | 'message'>): string {
  if (language.current !== 'zh' || code === null || !Object.hasOwn(CHINESE, code)) return message;
  return CHINESE[code]!.replace('{message}', () => message);
}
