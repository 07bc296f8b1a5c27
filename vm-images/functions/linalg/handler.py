# SPDX-License-Identifier: Apache-2.0
"""Linear algebra on a posted or a made-up matrix.

GET /?n=N&seed=S   solves a made-up N by N system whose solution is 1, 2, .. N,
                   and finds the largest eigenvalue of a symmetric matrix
POST /             {"a": N rows of N numbers, "b": N numbers} -> {"x": N numbers}
Answers are rounded to what every processor agrees on.
"""

import numpy
from serve import BadRequest, Request, json_response

MAX_N = 512
DIGITS = 6


def rounded(value):
    return round(float(value), DIGITS) + 0.0


def made_up(n, seed):
    # A linear congruential generator, so that no library's choice of one matters.
    values = []
    state = seed
    for _ in range(n * n):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        values.append((state >> 16) % 19 - 9)
    matrix = numpy.array(values, dtype=float).reshape(n, n)
    # Diagonally dominant: solvable whatever the seed.
    return matrix + numpy.eye(n) * 10 * n


def posted(document):
    if not isinstance(document, dict):
        raise BadRequest('the document must be an object')
    try:
        a = numpy.array(document.get('a'), dtype=float)
        b = numpy.array(document.get('b'), dtype=float)
    except (TypeError, ValueError):
        raise BadRequest('a and b must hold numbers, and the rows of a be of one length') from None
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not 1 <= a.shape[0] <= MAX_N:
        raise BadRequest(f'a must be square, with 1 to {MAX_N} rows')
    if b.shape != (a.shape[0],):
        raise BadRequest('b must have as many numbers as a has rows')
    return a, b


def before_fork():
    handle(Request('GET', '/', 'n=4', {}, b''))


def handle(request):
    if request.method == 'POST':
        a, b = posted(request.json())
        try:
            return json_response({'x': [rounded(value) for value in numpy.linalg.solve(a, b)]})
        except numpy.linalg.LinAlgError as error:
            raise BadRequest(f'cannot be solved: {error}') from None
    n = request.number('n', 64, 1, MAX_N)
    a = made_up(n, request.number('seed', 1, 0, 0x7FFFFFFF))
    expected = numpy.arange(1, n + 1, dtype=float)
    x = numpy.linalg.solve(a, a @ expected)
    largest = numpy.linalg.eigvalsh((a + a.T) / 2)[-1]
    return json_response(
        {
            'n': n,
            'solved': bool(numpy.allclose(x, expected)),
            'solutionSum': rounded(x.sum()),
            'largestEigenvalue': rounded(largest),
        }
    )
