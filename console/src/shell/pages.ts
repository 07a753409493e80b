/** Which component shows which route; all but the chat are loaded when they are first opened. */
import type { Component } from 'svelte';

/** `section`: the second word of the route, `keys` of `#/settings/keys`. */
type Loader = () => Promise<{ default: Component<{ section: string }> }>;

export const pages: Record<string, Loader> = {
  compare: () => import('../compare/ComparePage.svelte'),
  models: () => import('../models/ModelsPage.svelte'),
  settings: () => import('../settings/SettingsPage.svelte'),
  admin: () => import('../admin/AdminPage.svelte'),
};
