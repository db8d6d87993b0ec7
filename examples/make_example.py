"""Encode a folder of frames as the example clip: H.264, 24 frames a second, BT.709, below 1 MB.

python examples/make_example.py DAVIS/JPEGImages/480p/dog examples/dog.mp4
"""

import sys
from dataclasses import replace
from pathlib import Path

from threedcseg.atomic import replacing
from threedcseg.video.encoder import H264, VideoEncoder
from threedcseg.video.reader import open_video


def main(folder: str, out: str) -> None:
    with open_video(folder) as frames, replacing(Path(out)) as temporary:
        small = replace(H264, options={"crf": "25", "preset": "veryslow"})
        encoder = VideoEncoder(temporary, frames, small)
        with encoder.container:
            for frame in frames:
                encoder.write(frame.image, frame.time)
            encoder.finish()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: python {sys.argv[0]} FOLDER OUT.mp4")
    main(sys.argv[1], sys.argv[2])
