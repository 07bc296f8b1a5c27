// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { ociConfig } from '../../src/guest/oci-config.js';
import { readStartRequest } from '../../src/guest/request.js';
import { SECCOMP } from '../../src/guest/seccomp.js';
import { startRequest } from './start-request.js';

const paths = { rootPath: '/b/rootfs', networkNamespace: '/run/netns/c-0123456789ab' };
const config = ociConfig(readStartRequest(startRequest()), paths);

t.test('carries what was asked for', async (t) => {
  t.match(config, {
    hostname: 'fn',
    root: { path: '/b/rootfs' },
    process: {
      args: ['/app/serve', '--quiet'],
      cwd: '/app',
      user: { uid: 1000, gid: 1000 },
    },
  });
});

t.test('leaves a container no right over the sandbox', async (t) => {
  t.ok(Object.values(config.process.capabilities).every((set) => set.length === 0));
  t.equal(config.process.noNewPrivileges, true);
  t.ok(config.process.oomScoreAdj >= 0, 'the daemon is killed last');
  for (const path of ['/proc/czoneinfo', '/proc/kcore', '/proc/kpageflags', '/proc/zoneinfo']) {
    t.ok(config.linux.maskedPaths.includes(path), path);
  }
  const types = config.linux.namespaces.map(({ type }) => type).sort();
  t.strictSame(types, ['cgroup', 'ipc', 'mount', 'network', 'pid', 'uts']);
});

t.test('no file system of it is without a bound', async (t) => {
  const temporary = config.mounts.filter(({ type }) => type === 'tmpfs');
  t.ok(temporary.length >= 3);
  for (const { destination, options } of temporary) {
    t.ok(
      options.some((option) => option.startsWith('size=')),
      destination,
    );
    t.ok(options.includes('nosuid'), destination);
  }
});

function allowed(name: string): boolean {
  return SECCOMP.syscalls.some(
    (rule) => rule.action === 'SCMP_ACT_ALLOW' && !('args' in rule) && rule.names.includes(name),
  );
}

t.test('refuses the system calls that reach beyond a container', async (t) => {
  t.equal(SECCOMP.defaultAction, 'SCMP_ACT_ERRNO');
  for (const name of [
    'mount',
    'umount2',
    'fsopen',
    'move_mount',
    'open_tree',
    'pivot_root',
    'chroot',
    'ptrace',
    'process_vm_readv',
    'process_vm_writev',
    'kexec_load',
    'kexec_file_load',
    'bpf',
    'keyctl',
    'add_key',
    'request_key',
    'unshare',
    'setns',
    'clone',
    'clone3',
    'io_uring_setup',
    'userfaultfd',
    'perf_event_open',
    'open_by_handle_at',
    'init_module',
    'finit_module',
    'delete_module',
    'reboot',
    'swapon',
    'move_pages',
    'migrate_pages',
    'mbind',
    'quotactl',
    'syslog',
    'iopl',
    'ioperm',
    'sethostname',
    'settimeofday',
    'acct',
    'pidfd_getfd',
    'kcmp',
  ]) {
    t.notOk(allowed(name), name);
  }
});

t.test('allows what an HTTP server lives on', async (t) => {
  for (const name of [
    'accept4',
    'bind',
    'listen',
    'epoll_wait',
    'epoll_pwait',
    'futex',
    'mmap',
    'execve',
    'vfork',
    'openat',
    'read',
    'writev',
    'getrandom',
    'rseq',
    'statx',
    'memfd_create',
    'madvise',
  ]) {
    t.ok(allowed(name), name);
  }
  const threads = SECCOMP.syscalls.find((rule) => rule.names.includes('clone') && 'args' in rule);
  t.match(threads, { action: 'SCMP_ACT_ALLOW', args: [{ op: 'SCMP_CMP_MASKED_EQ', valueTwo: 0 }] });
});

t.test('names no system call twice', async (t) => {
  const names = SECCOMP.syscalls[0]?.names ?? [];
  t.equal(new Set(names).size, names.length);
});
