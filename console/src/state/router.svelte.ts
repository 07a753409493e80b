/** The route, which lies in the fragment: `#/chat/ID?name=value`. */
export interface Route {
  /** The first word: chat, compare, models, settings, admin, setup. */
  page: string;
  /** The words behind it. */
  rest: string[];
  query: URLSearchParams;
}

function parse(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [page, ...rest] = path.split('/').filter(Boolean).map(decoded);
  return { page: page ?? 'chat', rest, query: new URLSearchParams(search) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

class Router {
  #route = $state.raw<Route>(parse(globalThis.location?.hash ?? ''));

  constructor() {
    globalThis.addEventListener?.('hashchange', () => this.#read());
  }

  get route(): Route {
    return this.#route;
  }

  #read(): void {
    this.#route = parse(location.hash);
  }

  /** `go('/chat/' + id)`. */
  go(path: string): void {
    location.hash = '#' + path;
  }

  /** As `go`, but Back leads to where one was before this page. */
  replace(path: string): void {
    history.replaceState(history.state, '', '#' + path);
    this.#read();
  }
}

export const router = new Router();
