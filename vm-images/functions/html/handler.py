# SPDX-License-Identifier: Apache-2.0
"""Renders an HTML page from a template.

GET /?rows=N    a table of N rows made up from their numbers
POST /          {"title": text, "rows": [{"name": text, "amount": number}]}
"""

from jinja2 import Environment
from serve import BadRequest, Request, Response

MAX_ROWS = 10000

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{{ title }}</title></head>
<body>
<h1>{{ title }}</h1>
<table>
{%- for row in rows %}
<tr class="{{ loop.cycle('odd', 'even') }}"><td>{{ row.name }}</td><td>{{ '%.2f' | format(row.amount) }}</td></tr>
{%- endfor %}
</table>
<p>{{ rows | length }} rows, sum {{ '%.2f' | format(rows | sum(attribute='amount')) }}</p>
</body>
</html>
"""

template = Environment(autoescape=True, keep_trailing_newline=True).from_string(PAGE)


def checked(document):
    if not isinstance(document, dict) or not isinstance(document.get('title'), str):
        raise BadRequest('title must be a text')
    rows = document.get('rows')
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        raise BadRequest(f'rows must be a list of at most {MAX_ROWS}')
    for at, row in enumerate(rows):
        if (
            not isinstance(row, dict)
            or not isinstance(row.get('name'), str)
            or isinstance(row.get('amount'), bool)
            or not isinstance(row.get('amount'), (int, float))
        ):
            raise BadRequest(f'rows[{at}] must have a name (text) and an amount (number)')
    return document


def before_fork():
    handle(Request('GET', '/', '', {}, b''))


def handle(request):
    if request.method == 'POST':
        document = checked(request.json())
    else:
        count = request.number('rows', 10, 0, MAX_ROWS)
        rows = [{'name': f'item <{at}>', 'amount': at * 37 % 101 / 4} for at in range(count)]
        document = {'title': f'{count} items', 'rows': rows}
    page = template.render(title=document['title'], rows=document['rows'])
    return Response(page.encode(), 'text/html; charset=utf-8')
