/** Which component shows which route; all but the chat are loaded when they are first opened. */
import type { Component } from 'svelte';

export type Place = Component<Record<string, never>>;
/** `section`: the second word of the route, `keys` of `#/settings/keys`. */
export type Sectioned = Component<{ section: string }>;

export const places: Record<string, () => Promise<{ default: Place }>> = {
  compare: () => import('../compare/ComparePage.svelte'),
  models: () => import('../models/ModelsPage.svelte'),
};

export const sectioned: Record<string, () => Promise<{ default: Sectioned }>> = {
  settings: () => import('../settings/SettingsPage.svelte'),
  admin: () => import('../admin/AdminPage.svelte'),
};
