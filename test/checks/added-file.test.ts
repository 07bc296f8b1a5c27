// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { fileAfterPatches } from '../../src/checks/added-file.js';

const ADD = `From 1
Subject: [PATCH 1/2] add

---
diff --git a/include/x.h b/include/x.h
new file mode 100644
index 000000..111111
--- /dev/null
+++ b/include/x.h
@@ -0,0 +1,4 @@
+one
+two
+three
+four
diff --git a/other.c b/other.c
--- a/other.c
+++ b/other.c
@@ -1 +1 @@
-a
+b
-- 
2.39.5
`;

const CHANGE = `From 2
diff --git a/include/x.h b/include/x.h
--- a/include/x.h
+++ b/include/x.h
@@ -1,4 +1,5 @@
 one
-two
+TWO
+TWO AND A HALF
 three
 four
-- 
2.39.5
`;

t.test('a file as a patch adds it and a later one changes it', async (t) => {
  t.equal(fileAfterPatches([ADD], 'include/x.h'), 'one\ntwo\nthree\nfour\n');
  t.equal(
    fileAfterPatches([ADD, CHANGE], 'include/x.h'),
    'one\nTWO\nTWO AND A HALF\nthree\nfour\n',
  );
});

t.test('null for a file that no patch touches', async (t) => {
  t.equal(fileAfterPatches([ADD], 'include/y.h'), null);
});
