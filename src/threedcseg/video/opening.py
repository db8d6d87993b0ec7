"""What FFmpeg is let open: a file that holds all of its video, an address by its own protocol.

FFmpeg guesses formats by content, and some of them (`ffconcat`, playlists, SDP, patterns of images)
are lists of other files: a "video" of a stranger could show what lies elsewhere on this machine.
"""

import re
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer

from threedcseg.errors import InputError

PLAYLIST = ".m3u8"

# fmt: off
_VIDEOS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,live_flv,ogg,asf,asf_o,gif,apng,jpegxl_anim,mxf,gxf,nut,wtv,"
    "yuv4mpegpipe,h261,h263,h264,hevc,vvc,evc,m4v,vc1,vc1test,av1,obu,ivf,dirac,dnxhd,cavsvideo,avs2,"
    "avs3,apv,dv,mjpeg,mjpeg_2000,mpjpeg,ingenient,rm,ivr,swf,nsv,nuv,pva,ty,kux,mv,mxg,lmlm4,lxf,cine,"
    "r3d,ser,pmp,smjpeg,film_cpk,flic,roq,rpl,smk,bink,siff,xmv,wc3movie,vivo,4xm,ea,hxvs,dhav,"
    "wav,w64,aiff,caf,mp3,aac,ac3,flac"  # for the message that they hold no picture
)
# fmt: on
_STILLS = ",".join(sorted(n for n in av.formats_available if n.endswith("_pipe"))) + ",ico"
_WEB = "http,https,tcp,tls,httpproxy"
# By scheme: what a live address needs, which is never a file.
PROTOCOLS = {
    "http": _WEB,
    "https": _WEB,
    "rtsp": f"rtsp,rtp,srtp,udp,{_WEB}",
    "rtsps": f"rtsp,rtsps,rtp,srtp,udp,{_WEB}",
    "rtmp": "rtmp,tcp",
    "rtp": "rtp,srtp,udp",
    "srt": "srt",
    "udp": "udp",
    "tcp": "tcp",
}
_FORMATS_OF_ADDRESSES = f"{_VIDEOS},hls,rtsp,rtp"
_MOST_BYTES = 2**20  # of a playlist: hours of segments


def open_input(
    source: str | BinaryIO | Any,
    *,
    stills: bool = False,
    options: dict[str, str] | None = None,
    **given: Any,
) -> InputContainer:
    """``av.open`` for reading what is self-contained.

    Args:
        source: the whole path of a file, a file object, or an address (``scheme://...``).
        stills: images are opened as well.
        options, given: of FFmpeg and of ``av.open``.

    Raises:
        InputError: a playlist that leads out of its folder.
        av.FFmpegError: whatever FFmpeg says; `av.ArgumentError` for a format that is not let in.
    """
    scheme = source.partition("://")[0] if isinstance(source, str) else ""
    formats = f"{_VIDEOS},{_STILLS}" if stills else _VIDEOS
    protocols = "file"
    if scheme in PROTOCOLS:
        formats, protocols = _FORMATS_OF_ADDRESSES, PROTOCOLS[scheme]
    elif isinstance(source, str) and source.lower().endswith(PLAYLIST):
        _check_playlist(Path(source))
        formats += ",hls"
    limits = {"format_whitelist": formats, "protocol_whitelist": protocols}
    return av.open(
        source, "r", options={**(options or {}), **limits}, metadata_errors="replace", **given
    )


def _check_playlist(path: Path) -> None:
    """Raise `InputError` unless all that a playlist names, and lists there, lie beside it."""
    waiting, seen = [path], {path}
    while waiting:
        playlist = waiting.pop()
        for name in _named_by(playlist):
            file = playlist.parent / name
            if re.search(r"[/\\:]", name) or file.is_symlink() or not file.is_file():
                raise InputError(
                    f"{path} lists {name!r}, expected files of its own folder",
                    "put them beside it, or join them to one video",
                )
            if file not in seen:
                seen.add(file)
                waiting.append(file)


def _named_by(path: Path) -> list[str]:
    """The files that a playlist names, tags (``URI="..."``) included; none of anything else."""
    with path.open("rb") as file:
        if b"#EXTM3U" not in file.read(64):
            return []
        file.seek(0)
        text = file.read(_MOST_BYTES + 1).decode("utf-8", "replace")
    if len(text) > _MOST_BYTES:
        raise InputError(f"{path} is a playlist of more than a megabyte", "give a part of it")
    lines = [line.strip() for line in text.splitlines()]
    tags = [uri for line in lines if line[:1] == "#" for uri in re.findall(r'URI="?([^",]*)', line)]
    return tags + [line for line in lines if line and line[0] != "#"]


def is_list(path: Path) -> bool:
    """Whether a file that may not be opened is one that lists others."""
    try:
        with path.open("rb") as file:
            head = file.read(256).lstrip()
    except OSError:
        return False
    return head.startswith((b"#EXTM3U", b"ffconcat", b"v=0")) or b"<MPD" in head
