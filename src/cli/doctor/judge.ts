// SPDX-License-Identifier: Apache-2.0
// Facts to findings: what is right, what will hurt, what stops czone, and how to
// mend it. Pure; read-host.ts reads the facts.
import { formatSize, GIB, MIB } from '../../protocol/units.js';
import type { Finding, HostFacts } from './facts.js';

/** A first build of all artifacts, with its work files. */
const BUILD_DISK_BYTES = 12 * GIB;
/** Flattened images and logs of a node that has all artifacts. */
const RUN_DISK_BYTES = 1 * GIB;
/** The demo's two VMs, and a build beside them. */
const GOOD_MEMORY_BYTES = 4 * GIB;
/** One VM with one container. */
const LEAST_MEMORY_BYTES = 768 * MIB;
/** About 20 descriptors a container and 30 a VM. */
const GOOD_OPEN_FILES = 16_384;
const LEAST_OPEN_FILES = 1_024;
const DEBIAN_MIN = 12;

export function judge(facts: HostFacts): Finding[] {
  return [
    system(facts),
    nodeJs(facts),
    privileges(facts),
    packages(facts),
    addon(facts),
    accelerator(facts),
    memory(facts),
    overcommit(facts),
    memfd(facts),
    openFiles(facts),
    disk(facts),
    artifacts(facts),
    node(facts),
  ];
}

function ok(name: string, found: string): Finding {
  return { name, status: 'ok', found, mend: null };
}

function warn(name: string, found: string, mend: string): Finding {
  return { name, status: 'warn', found, mend };
}

function fail(name: string, found: string, mend: string): Finding {
  return { name, status: 'fail', found, mend };
}

function system({ system: { ids, version, name }, architecture }: HostFacts): Finding {
  const found = `${name || 'unknown'}, ${architecture}`;
  if (architecture !== 'x64') {
    return fail('system', found, 'czone knows x86-64 only: use such a machine');
  }
  if (!ids.includes('debian')) {
    return fail('system', found, 'czone builds from Debian packages: use Debian 12 or newer');
  }
  if (ids[0] === 'debian' && version !== '' && Number.parseInt(version, 10) < DEBIAN_MIN) {
    return fail('system', found, 'upgrade to Debian 12 (bookworm) or newer');
  }
  return ok('system', found);
}

function nodeJs({ nodeVersion, nodeVersionMin }: HostFacts): Finding {
  const found = `Node.js ${nodeVersion}`;
  return atLeast(nodeVersion, nodeVersionMin)
    ? ok('Node.js', found)
    : fail('Node.js', found, `install Node.js ${nodeVersionMin} or newer and put it first on PATH`);
}

function privileges({ uid }: HostFacts): Finding {
  return uid === 0
    ? ok('privileges', 'root')
    : warn(
        'privileges',
        `user ${uid}`,
        'build the artifacts as root; run the node as a user that may write its --run-dir',
      );
}

function packages({ missingPackages }: HostFacts): Finding {
  const name = 'Debian packages';
  if (missingPackages === null) {
    return fail(name, 'dpkg-query does not run', 'use Debian 12 or newer');
  }
  if (missingPackages.length === 0) return ok(name, 'all are installed');
  const list = missingPackages.join(' ');
  return fail(name, `missing: ${list}`, `apt-get install --no-install-recommends ${list}`);
}

function addon({ addonError }: HostFacts): Finding {
  return addonError === null
    ? ok('native addon', 'loads')
    : fail(
        'native addon',
        addonError,
        'compile it: npx node-gyp rebuild (any ./czone command does it; it needs g++ and python3)',
      );
}

function accelerator({ accelerator: { kind, reason } }: HostFacts): Finding {
  return kind === 'kvm'
    ? ok('acceleration', `kvm: ${reason}`)
    : warn(
        'acceleration',
        `tcg: ${reason}`,
        'all works, slowly; for KVM use a machine with vmx or svm and a /dev/kvm that you may open',
      );
}

function memory({ availableMemoryBytes, memoryLimitBytes }: HostFacts): Finding {
  const bytes = Math.min(availableMemoryBytes, memoryLimitBytes ?? Number.POSITIVE_INFINITY);
  const limited = bytes < availableMemoryBytes ? ' (the limit of its control group)' : '';
  const found = `${formatSize(bytes)} available${limited}`;
  if (bytes < LEAST_MEMORY_BYTES) {
    return fail('memory', found, `free some: one VM takes ${formatSize(LEAST_MEMORY_BYTES)}`);
  }
  if (bytes < GOOD_MEMORY_BYTES) {
    return warn(
      'memory',
      found,
      `the demo and builds want ${formatSize(GOOD_MEMORY_BYTES)}; else use smaller --region and --budget`,
    );
  }
  return ok('memory', found);
}

function overcommit({ overcommitMode }: HostFacts): Finding {
  const found = `vm.overcommit_memory = ${overcommitMode}`;
  return overcommitMode === 2
    ? warn(
        'overcommit',
        found,
        "each VM's whole region is charged in advance; sysctl vm.overcommit_memory=0, or use a small --region",
      )
    : ok('overcommit', found);
}

function memfd({ memfdNoexec }: HostFacts): Finding {
  const found = `vm.memfd_noexec = ${memfdNoexec}`;
  return memfdNoexec >= 2
    ? fail('memory files', found, 'VMs live in memory files: sysctl vm.memfd_noexec=1')
    : ok('memory files', found);
}

function openFiles({ openFilesMax }: HostFacts): Finding {
  const found = `${openFilesMax} (hard limit)`;
  if (openFilesMax < LEAST_OPEN_FILES) {
    return fail('open files', found, `raise it: ulimit -Hn ${GOOD_OPEN_FILES}`);
  }
  return openFilesMax < GOOD_OPEN_FILES
    ? warn('open files', found, `for many VMs raise it: ulimit -Hn ${GOOD_OPEN_FILES}`)
    : ok('open files', found);
}

function disk({ cacheDir, cacheFreeBytes, missingArtifacts }: HostFacts): Finding {
  const name = 'disk space';
  if (cacheFreeBytes === null) {
    return fail(name, `${cacheDir} can't be made`, 'set CZONE_CACHE_DIR to a folder that you own');
  }
  const found = `${formatSize(cacheFreeBytes)} free at ${cacheDir}`;
  const wanted = missingArtifacts.length > 0 ? BUILD_DISK_BYTES : RUN_DISK_BYTES;
  if (cacheFreeBytes >= wanted) return ok(name, found);
  const mend = `free some (${formatSize(wanted)} are needed), or set CZONE_CACHE_DIR to a larger disk`;
  return cacheFreeBytes < wanted / 2 ? fail(name, found, mend) : warn(name, found, mend);
}

function artifacts({ missingArtifacts }: HostFacts): Finding {
  return missingArtifacts.length === 0
    ? ok('artifacts', 'kernel, root file system, QEMU and functions are built')
    : warn(
        'artifacts',
        `not built yet: ${missingArtifacts.join(', ')}`,
        './czone images builds them; ./czone demo does that first, too',
      );
}

function node({ runDir, node: found }: HostFacts): Finding {
  switch (found.kind) {
    case 'none':
      return ok('node', `none at ${runDir}; the place is free`);
    case 'running':
      return ok('node', `runs at ${runDir} with pid ${found.pid}`);
    case 'dead':
      return warn(
        'node',
        `one at ${runDir} died and left files`,
        'the next ./czone ps or node start cleans up',
      );
    case 'unusable':
      return fail('node', `${runDir}: ${found.why}`, 'name another with --run-dir');
  }
}

/** Of versions like 20.17.0. */
export function atLeast(version: string, least: string): boolean {
  const have = version.split('.').map(Number);
  for (const [index, wanted] of least.split('.').map(Number).entries()) {
    const part = have[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
