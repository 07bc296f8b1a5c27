# SPDX-License-Identifier: Apache-2.0
# The two addons. native/sources.json is the one list of sources; CMake reads it too.
{
  "target_defaults": {
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=gnu++17", "-fexceptions", "-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type"],
    "defines": ["NAPI_VERSION=9", "NAPI_CPP_EXCEPTIONS", "_FILE_OFFSET_BITS=64"],
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "native", "native/include"]
  },
  "targets": [
    {
      "target_name": "czone_host",
      "sources": [
        "native/addon/host_addon.cc",
        "<!@(node -p \"require('./native/sources.json').host.map((f) => 'native/' + f).join(' ')\")"
      ]
    },
    {
      "target_name": "czone_guest",
      "sources": [
        "native/addon/guest_addon.cc",
        "<!@(node -p \"require('./native/sources.json').guest.map((f) => 'native/' + f).join(' ')\")"
      ]
    }
  ]
}
