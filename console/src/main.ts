/** Where the page begins. */
import './design/tokens.css';
import './design/base.css';
import './design/controls.css';
import './design/overlays.css';

import { mount } from 'svelte';

import App from './App.svelte';
import { language } from './i18n/language.svelte';

document.documentElement.lang = language.tag;
mount(App, { target: document.getElementById('app')! });
