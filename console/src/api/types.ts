/** What the server's console API (`/console/api`) sends and takes. Times are Unix seconds, sizes are bytes. */

// -- session -----------------------------------------------------------------------------------------

export type Role = 'admin' | 'user';

export interface User {
  id: string;
  name: string;
  role: Role;
  created_at: number;
  last_login_at: number | null;
  disabled: boolean;
  /** The single user of a server without accounts. */
  local: boolean;
}

/** `local`: no accounts, this machine only. `setup`: the first administrator is still to be made. */
export type AccessMode = 'local' | 'setup' | 'accounts';

/** GET /session; POST /login {name, password}; POST /setup {token, name, password}; POST /logout. */
export interface Session {
  mode: AccessMode;
  /** Null: nobody is signed in. */
  user: User | null;
  version: string;
  preferences: Preferences;
}

/** PATCH /preferences. What is left out stays. */
export interface Preferences {
  language?: 'en' | 'zh';
  theme?: 'light' | 'dark' | 'system';
  default_model?: string;
  default_settings?: Partial<ChatSettings>;
  send_key?: 'enter' | 'ctrl-enter';
}

/** Every error: {error: ApiError}; the status says the rest. */
export interface ApiError {
  message: string;
  code: string | null;
  param: string | null;
}

// -- chats -------------------------------------------------------------------------------------------

export type JsonMode = 'off' | 'object' | 'schema';

export interface ToolDefinition {
  name: string;
  description: string;
  /** JSON Schema of the arguments. */
  parameters: Record<string, unknown>;
}

export interface ChatSettings {
  system: string;
  temperature: number | null;
  top_p: number | null;
  top_k: number | null;
  min_p: number | null;
  repetition_penalty: number | null;
  /** Tokens of an answer; null: as many as fit. */
  max_tokens: number | null;
  /** Tokens of prompt and answer together; null: all the model has here. */
  context_length: number | null;
  /** What happens to a chat that has grown too long. */
  overflow: 'error' | 'drop_oldest';
  seed: number | null;
  stop: string[];
  speculation: boolean;
  json_mode: JsonMode;
  json_schema: Record<string, unknown> | null;
  tools: ToolDefinition[];
}

export interface ChatSummary {
  id: string;
  title: string;
  /** The user gave the title: it is not made anew from the first message. */
  titled: boolean;
  model: string | null;
  pinned: boolean;
  folder_id: string | null;
  created_at: number;
  updated_at: number;
}

/** GET /chats/{id}; PATCH takes title, model, pinned, folder_id, leaf_id, settings. */
export interface Chat extends ChatSummary {
  settings: Partial<ChatSettings>;
  /** The last message of the branch that is shown. */
  leaf_id: string | null;
  /** All branches, oldest first. */
  messages: Message[];
}

/** GET /chats?folder=&cursor=&limit= : pinned ones first, then the newest. */
export interface ChatPage {
  chats: ChatSummary[];
  next: string | null;
}

export interface Attachment {
  name: string;
  /** Text of the file, as it goes into the prompt. */
  text: string;
}

export interface ToolCall {
  id: string;
  name: string;
  /** JSON; cut off where finish_reason is "length". */
  arguments: string;
}

/**
 * complete; running; stopped: by the user; interrupted: by a server that went down, or a page that stayed away;
 * failed: see error.
 */
export type MessageStatus = 'complete' | 'running' | 'stopped' | 'interrupted' | 'failed';

export interface Message {
  id: string;
  parent_id: string | null;
  role: 'user' | 'assistant' | 'tool';
  content: string;
  attachments: Attachment[];
  tool_calls: ToolCall[];
  /** Of a tool's result: which call it answers. */
  tool_call_id: string | null;
  model: string | null;
  status: MessageStatus;
  finish_reason: 'stop' | 'length' | 'tool_calls' | 'abort' | null;
  error: ApiError | null;
  figures: Figures | null;
  /** With a JSON mode: whether the answer keeps to it. */
  valid: boolean | null;
  created_at: number;
}

/** How fast an answer came. */
export interface Figures {
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  /** Seconds until the first token. */
  ttft: number;
  /** Of the answer, after the first token; null for one token. */
  tokens_per_second: number | null;
  /** Tokens of the prompt that were left out because the chat is too long. */
  truncated_tokens: number;
}

export interface NewMessage {
  role: 'user' | 'tool';
  content: string;
  attachments?: Attachment[];
  tool_call_id?: string;
}

/**
 * POST /chats/{id}/answers. New messages follow the parent, one another, and then the answer.
 * Without messages the parent is answered (again): a branch. `continue_id` goes on with an answer that was cut off.
 */
export interface AnswerRequest {
  parent_id: string | null;
  messages?: NewMessage[];
  continue_id?: string;
  /** Chosen by the page: a request that is sent again with the same begins nothing new. */
  request_id?: string;
  model?: string;
  settings?: Partial<ChatSettings>;
}

export interface AnswerStarted {
  /** The new messages as they were kept, then the answer, which is running. */
  messages: Message[];
  /** As it is now: the first message gives it its title. */
  chat?: ChatSummary;
}

/**
 * GET /chats/{id}/answers/{message_id}/events: the events of a running answer as SSE, `id:` counts them from 1 and
 * `Last-Event-ID` (or ?after=) goes on behind it. POST …/stop ends the answer; what has come is kept.
 * An answer that nobody listens to for a minute is interrupted.
 */
export type AnswerEvent =
  | { type: 'text'; text: string }
  /** What was shown before does not count: text that has come so far. Sent first to whoever joins late. */
  | { type: 'snapshot'; message: Message }
  | { type: 'call'; index: number; id: string; name: string }
  | { type: 'arguments'; index: number; text: string }
  /** The model is being loaded, the prompt read. */
  | { type: 'status'; state: 'loading' | 'queued' | 'prefill' }
  | { type: 'done'; message: Message; chat: ChatSummary };

/** POST /chats/{id}/tokens {parent_id, messages, model, settings}: what the next prompt takes. */
export interface ContextUse {
  /** Null where an engine elsewhere cannot tell. */
  prompt_tokens: number | null;
  context_length: number | null;
}

/** POST /schema {schema}: whether answers can be held to a schema. */
export interface SchemaVerdict {
  /** proven: cannot be violated; checked: proven by a look at the finished answer; refused: see message. */
  verdict: 'proven' | 'checked' | 'refused';
  message: string | null;
}

/** GET, POST /folders; PATCH, DELETE /folders/{id} (its chats stay, without a folder). */
export interface Folder {
  id: string;
  name: string;
  chats: number;
}

/** GET, POST /personas; PATCH, DELETE /personas/{id}. */
export interface Persona {
  id: string;
  name: string;
  system: string;
  settings: Partial<ChatSettings>;
}

/** GET /search?q=&limit= : best first. */
export interface SearchHit {
  chat: ChatSummary;
  /** Null: the title was found. */
  message_id: string | null;
  role: Message['role'] | null;
  /** Text around it, found words between \u0002 and \u0003. */
  snippet: string;
}

/** GET /chats/{id}/export?format=json|markdown, GET /export (all chats, JSON); POST /import takes the JSON. */
export interface ChatArchive {
  format: 'sevenb-chats';
  version: 1;
  exported_at: number;
  folders: { id: string; name: string }[];
  chats: Omit<Chat, never>[];
}

export interface ImportResult {
  imported: number;
  skipped: { title: string; reason: string }[];
}

// -- compare -----------------------------------------------------------------------------------------

export interface ComparisonEntry {
  label: string;
  model: string;
  settings: Partial<ChatSettings>;
  /** Each column is a chat of its own, which the history does not list. */
  chat_id: string;
}

/** GET /comparisons; POST {entries: [{label, model, settings}]} (two or three); GET, PATCH {title}, DELETE /{id}. */
export interface Comparison {
  id: string;
  title: string;
  entries: ComparisonEntry[];
  created_at: number;
  updated_at: number;
}

/** POST /comparisons/{id}/votes {message, answer_ids, winner}; GET /votes. */
export interface Vote {
  id: string;
  comparison_id: string;
  message: string;
  /** The answers that were judged; null where an entry had none. */
  answer_ids: (string | null)[];
  models: string[];
  labels: string[];
  /** Index of the entry, or "tie", or "none" where all are bad. */
  winner: number | 'tie' | 'none';
  /** Of each answer; null where it has none. */
  figures: (Figures | null)[];
  created_at: number;
}

export interface VoteTable {
  votes: Vote[];
  /** By model (with its label where that differs): fights, wins, ties, and the share won (ties count half). */
  standings: { name: string; votes: number; wins: number; ties: number; share: number }[];
}

// -- models ------------------------------------------------------------------------------------------

export type ModelState = 'available' | 'installed' | 'loading' | 'ready' | 'restarting' | 'unloading';

export interface ModelInfo {
  name: string;
  /** `upstream`: answered by another server, see `upstream`. */
  source: 'local' | 'upstream';
  upstream: string | null;
  /** `available`: of the catalog, not on this machine. */
  state: ModelState;
  family: string | null;
  parameters: number | null;
  quantization: string | null;
  license: string | null;
  size: number | null;
  /** What the model was made for, and what it has here once it was loaded. */
  context_length: number | null;
  max_model_len: number | null;
  /** Taken now. */
  memory: number;
  expires_at: number | null;
  capabilities: string[];
  /** Whether it fits in this machine's memory, with how long a context. */
  fit: { fits: boolean; memory_needed: number; context_length: number } | null;
  /** Loading: 0 to 1. */
  progress: number | null;
  /** The server was started with it: it cannot be deleted. */
  served: boolean;
  /** Why it could not be loaded, the last time. */
  error: ApiError | null;
}

/** Another server whose models are listed. */
export interface UpstreamStatus {
  name: string;
  /** For administrators. */
  url: string | null;
  reachable: boolean;
  error: string | null;
}

/**
 * GET /models. POST /models/load {name, keep_alive?} begins; `state` and `error` tell the rest. POST /models/unload
 * {name}; DELETE /models?name=. Changes: administrators.
 */
export interface ModelList {
  models: ModelInfo[];
  memory: { total: number; available: number; budget: number; used: number };
  /** Where models lie; the path is for administrators. */
  disk: { free: number; path: string | null };
  /** What a chat without a model uses: the user's choice, else the administrators', else the first one. */
  default_model: string;
  server_default: string | null;
  upstreams: UpstreamStatus[];
}

/**
 * GET /pulls; POST /pulls {name}; DELETE /pulls/{id} stops it, what has come is kept, or takes one that has ended from
 * the list. For administrators.
 */
export interface Pull {
  id: string;
  name: string;
  state: 'running' | 'done' | 'failed' | 'cancelled';
  /** The file that arrives now. */
  label: string;
  completed: number;
  total: number;
  bytes_per_second: number | null;
  error: ApiError | null;
  notes: string[];
}

/**
 * POST /models/files?name=&file= with the file as the body (application/octet-stream): ModelInfo of the new model.
 * `file` is the file's own name.
 */

// -- accounts ----------------------------------------------------------------------------------------

/** GET, POST /keys {name, expires_at}; DELETE /keys/{id}. */
export interface ApiKey {
  id: string;
  name: string;
  /** Its first characters, to tell keys apart. */
  prefix: string;
  created_at: number;
  last_used_at: number | null;
  expires_at: number | null;
}

/** The answer to POST /keys: the only time that the secret is told. */
export interface NewApiKey extends ApiKey {
  secret: string;
}

/** GET /sessions; DELETE /sessions/{id}; DELETE /sessions (all others). */
export interface SignedInDevice {
  id: string;
  created_at: number;
  last_seen_at: number;
  user_agent: string;
  address: string;
  current: boolean;
}

/** POST /password {old, new}. */

/** GET /usage?days= (one's own), GET /admin/usage?days= (everybody's): a row a day, user and model. */
export interface UsageRow {
  /** 2026-11-22, UTC. */
  day: string;
  user_id: string | null;
  /** Null: requests with a key that belongs to no account. */
  user: string | null;
  model: string;
  requests: number;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
}

/** GET, POST /admin/users {name, password, role}; PATCH {name, role, disabled, password}, DELETE /admin/users/{id}. */

/** GET /admin/audit?before=&limit= : the newest first. */
export interface AuditEntry {
  id: string;
  at: number;
  actor: string;
  action: string;
  target: string;
  details: Record<string, unknown>;
}

/** GET /admin/server; PATCH /admin/server {default_model}. */
export interface ServerSettings {
  default_model: string | null;
  database: string;
  upstreams: { name: string; url: string; reachable: boolean; error: string | null }[];
}

/** GET /admin/reports: the lab's, the newest first; GET /admin/reports/{id}/report.html, report.md, report.zh.md, report.json. */
export interface Report {
  id: string;
  /** ISO 8601. */
  made: string;
  models: string[];
  /** A short one, to sort out what is hopeless. */
  quick: boolean;
}
