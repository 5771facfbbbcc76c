"""Makes the fonts that the app embeds from the original ones: a subset of characters, and in the sans the tabular figures
as the only ones, since the app shows numbers in columns. Usage: make.py INTER_DIR JETBRAINS_DIR OUT_DIR (needs fonttools)."""
import sys
from fontTools import subset
from fontTools.ttLib import TTFont

inter, mono, out = sys.argv[1:]
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x2B0, 0x2FF), (0x370, 0x3FF), (0x400, 0x4FF), (0x1E00, 0x1EFF), (0x2010, 0x205F),
          (0x2070, 0x209F), (0x20A0, 0x20BF), (0x2100, 0x214F), (0x2150, 0x218F), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2300, 0x23FF),
          (0x2500, 0x257F), (0x2580, 0x25FF), (0x2713, 0x2717), (0xFFFD, 0xFFFD)]
CHARS = [c for first, last in RANGES for c in range(first, last + 1)]

def make(source, target, tabular):
    font = TTFont(source)
    if tabular:
        single = {}
        gsub = font["GSUB"].table
        for record in gsub.FeatureList.FeatureRecord:
            if record.FeatureTag == "tnum":
                for index in record.Feature.LookupListIndex:
                    for table in gsub.LookupList.Lookup[index].SubTable:
                        single.update(getattr(getattr(table, "ExtSubTable", table), "mapping", {}))
        for table in font["cmap"].tables:
            table.cmap = {c: single.get(g, g) for c, g in table.cmap.items()}
    options = subset.Options(layout_features=["kern"], hinting=False, notdef_outline=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=CHARS)
    subsetter.subset(font)
    font.save(target)

make(f"{inter}/Inter-Regular.otf", f"{out}/sans.otf", True)
make(f"{inter}/Inter-SemiBold.otf", f"{out}/sans_strong.otf", True)
make(f"{mono}/JetBrainsMono-Regular.ttf", f"{out}/mono.ttf", False)
