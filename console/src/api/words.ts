import { words } from '../i18n/words';

export const t = words({
  en: {
    unreachable: 'The server cannot be reached. Check that it is running and try again.',
    failed: 'The server answered with status {status}. Try again.',
  },
  zh: {
    unreachable: '无法连接服务器。请确认服务器正在运行，然后重试。',
    failed: '服务器返回状态 {status}，请重试。',
  },
});
