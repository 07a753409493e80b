/** Which component shows which route; all but the chat are loaded when they are first opened. */
import type { Component } from 'svelte';

type Loader = () => Promise<{ default: Component }>;

export const pages: Record<string, Loader> = {
  compare: () => import('../compare/ComparePage.svelte'),
  models: () => import('../models/ModelsPage.svelte'),
  settings: () => import('../settings/SettingsPage.svelte'),
  admin: () => import('../admin/AdminPage.svelte'),
  setup: () => import('../entry/EntryPage.svelte'),
};
