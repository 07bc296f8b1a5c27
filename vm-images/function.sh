#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes one of the functions in functions/ into an OCI image layout.
#
#   function.sh NAME OUTDIR
#
# Writes OUTDIR/{oci-layout,index.json,blobs} (one layer, tag `latest`) and
# OUTDIR/packages. Prints "progress DONE/TOTAL what" on stdout, everything else on
# stderr. The same input gives the same bytes.
#
# functions/NAME/function.json says runtime and Debian packages. A Python function
# is handler.py beside functions/common/; a Node.js function is main.mjs.
# Environment: see debian.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=vm-images/debian.sh
. "$here/debian.sh"

readonly pin_list=$here/pins/functions
export SOURCE_DATE_EPOCH=0

field() { # JavaScript expression over the description `d`
  node -e 'const d = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    console.log(eval(process.argv[2]))' "$description" "$1"
}

# Packages are unpacked only, so that no shell or package manager has to come
# with them. What their scripts would have done is done here.
configure() { # root
  local root=$1 directory file library
  for directory in bin sbin lib lib64; do
    # The merge of /usr: base-files would have made these.
    mkdir -p "$root/usr/$directory"
    [ -e "$root/$directory" ] || ln -s "usr/$directory" "$root/$directory"
  done
  mkdir -p "$root"/{app,dev,etc,proc,root,run,sys,tmp,var/tmp}
  chmod 1777 "$root/tmp" "$root/var/tmp"
  printf 'root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n' \
    >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
  # The alternatives that numpy's libraries come by.
  for library in blas lapack; do
    for file in "$root/usr/lib/x86_64-linux-gnu/$library/lib$library".so.*; do
      if [ -e "$file" ]; then
        ln -sf "$library/${file##*/}" "$root/usr/lib/x86_64-linux-gnu/${file##*/}"
      fi
    done
  done
}

prune() { # root
  (
    cd "$1"
    rm -rf usr/share/{doc,doc-base,man,info,locale,lintian,bug,menu,pixmaps,applications,zoneinfo} \
      usr/share/{perl5,python3,debconf,gcc,base-files,bash-completion,systemd,mime,xml,apport} \
      usr/share/nodejs/{corepack,npm} \
      usr/lib/x86_64-linux-gnu/{gconv,perl-base,audit,security} usr/lib/{apt,dpkg,systemd,locale,valgrind,mime} \
      usr/lib/python3*/{test,idlelib,tkinter,turtledemo,ensurepip,lib2to3,pydoc_data,venv,config-*} \
      usr/lib/python3*/{pydoc.py,turtle.py,_pyrepl} usr/lib/python3/dist-packages/numpy/f2py \
      usr/include etc/{apt,dpkg,cron.daily,logrotate.d,pam.d,security,init.d} \
      usr/bin/{dpkg*,apt*,perl*,pydoc*,pygettext*,py3*,f2py*,js,corepack,openssl,c_rehash,localedef} usr/sbin boot media mnt dev run tmp var
    mkdir -p usr/sbin
    find usr/lib -type d -name tests -path '*dist-packages*' -prune -exec rm -rf {} +
    find usr/lib -name '*.a' -delete
    find usr/lib -depth -name __pycache__ -exec rm -rf {} +
    rm -f etc/resolv.conf etc/hostname
  )
}

[ $# -eq 2 ] || die "usage: function.sh NAME OUTDIR"
name=$1
source_directory=$here/functions/$name
description=$source_directory/function.json
if [[ ! $name =~ ^[a-z][a-z0-9-]*$ ]] || [ ! -r "$description" ]; then
  known=$(cd "$here/functions" && for file in */function.json; do printf '%s ' "${file%/*}"; done)
  die "no function '$name'; there are: $known"
fi
progress 0/10 'check tools'
need_tools node:nodejs mmdebstrap:mmdebstrap dpkg-deb:dpkg tar:tar setsid:util-linux
begin "$2" 900

runtime=$(field d.runtime)
packages=$(field 'd.packages.join(",")')
case $runtime in
  python) include=python3 ;;
  node) include=nodejs ;;
  *) die "$description: runtime '$runtime' is none of python, node" ;;
esac
root=$work/root
progress 1/10 'download and unpack packages'
bootstrap "$pin_list" "$root" --variant=extract --include="$include${packages:+,$packages}"
record_packages "$pin_list" "$work/extracted" "$outdir/packages"

progress 6/10 'configure and prune'
prune "$root"
configure "$root"
case $runtime in
  python)
    install -m 0644 "$here/functions/common"/*.py "$source_directory"/*.py "$root/app/"
    # Unchecked: the sources never change inside an image, and their times are all 0.
    run 'compile Python' env -i PYTHONHASHSEED=0 "$(command -v chroot)" "$root" /usr/bin/python3 -m compileall \
      -q --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.[0-9]* /app
    check=(/usr/bin/python3 /app/serve.py --check)
    ;;
  node)
    install -m 0644 "$source_directory"/*.mjs "$root/app/"
    check=(/usr/bin/node /app/main.mjs --check)
    ;;
esac

progress 8/10 'try it'
run "start $name" env -i "$(command -v chroot)" "$root" "${check[@]}"

progress 9/10 'write the image'
run 'pack the layer' tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
  --format=gnu -cf "$work/layer.tar" .
run 'write the image layout' node "$here/oci-layout.mjs" "$description" "$work/layer.tar" "$outdir"
progress 10/10 'done'
