/** Links and pictures of an answer as nodes: nothing is fetched, and nothing opens but what may be opened. */
import { betrayedHost, openable } from './links';
import { element, plainText, type Node } from './nodes';

/** A link; where its address may not be opened, its source as plain text. */
export function externalLink(label: readonly Node[], destination: string, title: string, source: string): Node[] {
  const address = openable(destination);
  if (address === null) return [source];
  const attributes = {
    href: address,
    target: '_blank',
    rel: 'noopener noreferrer nofollow ugc',
    title: title ? `${title}\n${address}` : address,
  };
  const host = betrayedHost(plainText(label), address);
  const shown = host === null ? label : [...label, element('span', [` (${host})`], { class: 'markdown-host' })];
  return [element('a', shown, attributes)];
}

/** A picture from elsewhere would tell its server who reads what: it is a link that the reader may open. */
export function externalPicture(label: string, destination: string, title: string, source: string): Node[] {
  const address = openable(destination);
  if (address === null || address.startsWith('mailto:')) return [source];
  const made = externalLink([label || new URL(address).host], destination, title, source)[0];
  if (made === undefined || typeof made === 'string' || made.kind !== 'element') return [source];
  return [element('a', made.children, { ...made.attributes, class: 'markdown-picture' })];
}
