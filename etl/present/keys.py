"""Converts a physical row's key to the contract's key, for look-ups by the old portal's names."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.domain.typed_values import Typed
from etl.present.cells import cells_of
from etl.present.forms import made
from etl.present.model import Adapter, Form, From
from mappings.model import Mappings, Portal, TableMapping


def contract_keys(adapter: Adapter, mappings: Mappings, portal: Portal, table: str, key: str) -> list[tuple[TableMapping, str]]:
    """Returns the contract tables of the physical table, each with the key of that row; `key`: its parts joined by a bar."""
    files, found = adapter.portals[portal], []
    for mapping in mappings.of(portal):
        file = files.tables.get(mapping.table)
        for block in file.blocks if file else ():
            if block.table == table or (not files.exact and block.table.casefold() == table.casefold()):
                contract = _key_of(adapter, mapping, block, key)
                if contract is not None and (mapping, contract) not in found:
                    found.append((mapping, contract))
    return found


def physical_tables(adapter: Adapter, portal: Portal, table: str) -> list[str]:
    """Returns the physical tables of a contract table in the adapter's spelling; the table's name where no file says otherwise."""
    file = adapter.portals[portal].tables.get(table)
    return [block.table for block in file.blocks] if file else [table]


def _key_of(adapter: Adapter, mapping: TableMapping, block: From, key: str) -> str | None:
    """Returns the contract key's text; None where the parts do not match this table's key, or a form cannot read one."""
    forms = [block.columns.get(name, Form("plain", (name,))) for name in mapping.key]
    names = list(dict.fromkeys(name for form in forms for name in form.columns))
    parts = key.split("|") if len(names) > 1 else [key]
    if len(parts) != len(names):
        return None
    batch = Typed({name: pl.Series(name, [part], dtype=pl.String) for name, part in zip(names, parts, strict=True)}, np.zeros(1, np.uint8))
    texts = []
    for name, form in zip(mapping.key, forms, strict=True):
        if form.kind == "plain":
            texts.append(parts[names.index(form.columns[0])])
            continue
        cells = [cells_of(batch, column, column, "text", frozenset()) for column in form.columns]
        value = made(form, mapping.shape.by_name[name], cells, adapter.codes, 1).series[0]
        if value is None:
            return None
        texts.append(str(value))
    return "|".join(texts)
