"""What each key does to the movie's somas and tracks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from somanet.core.counting import counted
from somanet.core.errors import SomaNetError
from somanet.corrections import Edit
from somanet.napari.keys import KEYS
from somanet.napari.window.editor import Editor
from somanet.napari.window.mouse import Mouse


class Actions:
    """The actions of :data:`somanet.napari.keys.KEYS`, a method for each, and their keys."""

    def __init__(self, editor: Editor, mouse: Mouse) -> None:
        """Bind the keys."""
        self._editor, self._mouse = editor, mouse
        for name, (key, _) in KEYS.items():
            for target in (editor.layers.labels, editor.layers.viewer):
                target.bind_key(key, self._key(name), overwrite=True)

    def close(self) -> None:
        """Release the viewer's keys; those of the labels go with their layer."""
        for key, _ in KEYS.values():
            self._editor.layers.viewer.bind_key(key, None, overwrite=True)

    def _key(self, name: str) -> Callable[[Any], None]:
        def pressed(_: Any) -> None:
            self.run(name)

        pressed.__doc__ = KEYS[name][1]
        return pressed

    def run(self, name: str) -> None:
        """Do one of the actions; what cannot be done is said."""
        try:
            getattr(self, f"do_{name}")()
        except SomaNetError as error:
            self._editor.say(str(error))

    # Tools.

    def do_new_soma(self) -> None:
        """The next click draws a soma."""
        self._mouse.take("new", "Click on the soma that was missed.")

    def do_split(self) -> None:
        """The next drag splits a soma."""
        self._mouse.take("split", "Drag a line across the soma.")

    def do_paint_new(self) -> None:
        """Paint with an id that no track has."""
        labels = self._editor.layers.labels
        labels.selected_label = self._editor.session.next_id()
        labels.mode = "paint"
        self._editor.say(f"Paint the new soma (track {labels.selected_label}); each stroke is saved. Z ends painting.")

    def do_escape(self) -> None:
        """No tool, nothing selected."""
        self._mouse.put_down()

    # Masks.

    def do_merge(self) -> None:
        """Merge the selected somas of this frame."""
        editor = self._editor
        edit = editor.session.merge(editor.frame, editor.selected)
        words = f"Merged {counted(len(edit.ids), 'soma')} of frame {edit.frame} to one of track {edit.ids[0]}"
        editor.edited(edit, words, selected=edit.ids[:1])

    def do_delete(self) -> None:
        """Delete the selected soma in this frame."""
        editor = self._editor
        track = editor.one("delete it")
        edit = editor.session.delete(editor.frame, track)
        editor.edited(edit, f"Deleted track {track}'s soma of frame {edit.frame}")

    # Tracks.

    def do_join(self) -> None:
        """Join the two selected tracks."""
        editor = self._editor
        edit = editor.session.join(*editor.two("join their tracks"), editor.frame)
        how = "Joined" if edit.kind == "join" else f"From frame {edit.frame} on, joined"
        editor.edited(
            edit, f"{how} tracks {edit.ids[0]} and {edit.ids[1]} to {edit.ids[0]}", selected=edit.ids[:1]
        )  # fmt: skip

    def do_cut(self) -> None:
        """Cut the selected track at this frame."""
        editor = self._editor
        edit = editor.session.cut(editor.one("cut its track"), editor.frame)
        editor.edited(edit, f"Track {edit.ids[0]} is track {edit.ids[1]} from frame {edit.frame} on")

    def do_swap(self) -> None:
        """Swap the two selected identities."""
        editor = self._editor
        edit = editor.session.swap(*editor.two("swap their identities"), editor.frame)
        editor.edited(edit, f"Swapped tracks {edit.ids[0]} and {edit.ids[1]} from frame {edit.frame} on")

    def do_delete_track(self) -> None:
        """Delete the selected track."""
        track = self._editor.one("delete its track")
        self._editor.edited(self._editor.session.delete_track(track), f"Deleted track {track}")

    def do_not_a_soma(self) -> None:
        """Mark the selected track as not a soma."""
        track = self._editor.one("say that it is not a soma")
        edit = self._editor.session.delete_track(track, soma=False)
        self._editor.edited(edit, f"Track {track} is not a soma: removed")

    # Undo.

    def do_undo(self) -> None:
        """Undo."""
        self._went(self._editor.session.undo(), "Undone", "There is nothing to undo.")

    def do_redo(self) -> None:
        """Redo."""
        self._went(self._editor.session.redo(), "Done again", "There is nothing to do again.")

    def _went(self, edit: Edit | None, words: str, nothing: str) -> None:
        if edit is None:
            raise SomaNetError(nothing)
        editor = self._editor
        undone = edit if edit.kind != "undo" else next(one for one in editor.session.edits if one.key == edit.undoes)
        if undone.kind not in ("delete_track", "not_a_soma"):
            editor.layers.show_frame(undone.frame)
        editor.edited(undone, f"{words}: {undone.kind.replace('_', ' ')} in frame {undone.frame}")

    # Places.

    def do_next_place(self) -> None:
        """Go to the next place."""
        self._editor.look_at(self._editor.suspicious.go_on())

    def do_previous_place(self) -> None:
        """Go to the previous place."""
        self._editor.look_at(self._editor.suspicious.go_back())

    def do_dismiss_place(self) -> None:
        """Leave a place out of the list, and go to the next one."""
        self._editor.dismiss_place()
        self.do_next_place()
