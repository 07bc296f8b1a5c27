# SPDX-License-Identifier: Apache-2.0
"""Checks a JSON document of orders and sums it up by customer.

GET /?orders=N  of N made-up orders
POST /          {"orders": [{"customer": text, "lines":
                  [{"sku": text, "quantity": 1.., "unitPriceCents": 0..}]}]}
"""

import json

from serve import BadRequest, Request, json_response

MAX_ORDERS = 10000


def whole(value, path, minimum):
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise BadRequest(f'{path} must be a whole number of at least {minimum}')
    return value


def text(value, path):
    if not isinstance(value, str) or not value:
        raise BadRequest(f'{path} must be a text that is not empty')
    return value


def entries(value, path):
    if not isinstance(value, list) or len(value) > MAX_ORDERS:
        raise BadRequest(f'{path} must be a list of at most {MAX_ORDERS}')
    for at, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise BadRequest(f'{path}[{at}] must be an object')
        yield f'{path}[{at}]', entry


def summary(document):
    if not isinstance(document, dict):
        raise BadRequest('the document must be an object')
    customers = {}
    orders = 0
    for path, order in entries(document.get('orders'), 'orders'):
        orders += 1
        customer = text(order.get('customer'), f'{path}.customer')
        total = customers.setdefault(customer, {'orders': 0, 'items': 0, 'totalCents': 0})
        total['orders'] += 1
        for line_path, line in entries(order.get('lines'), f'{path}.lines'):
            text(line.get('sku'), f'{line_path}.sku')
            quantity = whole(line.get('quantity'), f'{line_path}.quantity', 1)
            price = whole(line.get('unitPriceCents'), f'{line_path}.unitPriceCents', 0)
            total['items'] += quantity
            total['totalCents'] += quantity * price
    return {'orders': orders, 'customers': customers}


def made_up(count):
    return {
        'orders': [
            {
                'customer': f'customer-{at % 7}',
                'lines': [
                    {'sku': f'sku-{at}-{line}', 'quantity': line + 1, 'unitPriceCents': at * 13 % 997}
                    for line in range(at % 3 + 1)
                ],
            }
            for at in range(count)
        ]
    }


def before_fork():
    handle(Request('GET', '/', '', {}, b''))


def handle(request):
    if request.method == 'POST':
        return json_response(summary(request.json()))
    document = made_up(request.number('orders', 10, 0, MAX_ORDERS))
    # Through text and back: parsing is the work that this function is about.
    return json_response(summary(json.loads(json.dumps(document))))
