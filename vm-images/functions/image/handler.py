# SPDX-License-Identifier: Apache-2.0
"""Resizes an image: a posted one (PNG or JPEG), or the built-in one.

GET or POST /?width=W&height=H[&format=png|jpeg]   the image
            ...&describe=1                         its size and the hash of its pixels, as JSON
"""

import hashlib
import io

from PIL import Image
from serve import BadRequest, Response, json_response

MAX_SIDE_PX = 4096
BUILT_IN_PX = (640, 480)

Image.MAX_IMAGE_PIXELS = MAX_SIDE_PX * MAX_SIDE_PX


def built_in():
    width, height = BUILT_IN_PX
    pixels = bytearray()
    for y in range(height):
        for x in range(width):
            pixels += bytes((x * 255 // width, y * 255 // height, (x ^ y) & 255))
    return Image.frombytes('RGB', BUILT_IN_PX, bytes(pixels))


def posted(body):
    try:
        image = Image.open(io.BytesIO(body), formats=('PNG', 'JPEG'))
        if max(image.size) > MAX_SIDE_PX:
            raise BadRequest(f'an image may have at most {MAX_SIDE_PX} pixels a side')
        return image.convert('RGB')
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise BadRequest('the body is not a PNG or JPEG image') from None


def before_fork():
    # Its formats are loaded at their first use, each a module of its own.
    Image.preinit()
    for kind in ('PNG', 'JPEG'):
        file = io.BytesIO()
        Image.new('RGB', (8, 8)).resize((4, 4), Image.Resampling.LANCZOS).save(file, kind)
        posted(file.getvalue())


def handle(request):
    size = (
        request.number('width', 160, 1, MAX_SIDE_PX),
        request.number('height', 120, 1, MAX_SIDE_PX),
    )
    kind = request.text('format', 'png')
    if kind not in ('png', 'jpeg'):
        raise BadRequest('format must be png or jpeg')
    source = posted(request.body) if request.method == 'POST' else built_in()
    image = source.resize(size, Image.Resampling.LANCZOS)
    if request.text('describe', '0') == '1':
        pixels = hashlib.sha256(image.tobytes()).hexdigest()
        return json_response({'width': size[0], 'height': size[1], 'pixelsSha256': pixels})
    output = io.BytesIO()
    image.save(output, kind.upper())
    return Response(output.getvalue(), f'image/{kind}')
