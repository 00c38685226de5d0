using System.Runtime.InteropServices;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>
/// The key/value cache in pages of 16 positions with reference counts, so that the samples of one prompt share its full pages
/// (paged attention: Kwon et al. 2023, arXiv 2309.06180). Per layer and key/value head lie all pages' keys, (E, 16) each, one vector
/// register per feature, and then all pages' values, (16, E) each. Both are numbers of 24 bits that share a scale at each position (<see cref="Fixed24"/>): a page is its 16 positions' units, then
/// the quads of registers, for keys of four features, for values of four positions' 16 features. Reading the cache is bound by memory, and pages that
/// follow one another there are read half as fast again as scattered ones, so a page is asked for by the number it should have.
/// </summary>
internal sealed unsafe class KeyValuePages : IDisposable
{
    /// <summary>Positions in a page.</summary>
    public const int PageSize = 16;

    private readonly int _layers, _heads;
    private readonly NativeBuffer<int> _memory;
    private readonly int[] _references;
    private readonly int[] _next, _previous; // the free pages, a ring through the entry behind the last page
    private readonly long _headWords;

    public KeyValuePages(int layers, int heads, int headDim, int pages)
    {
        _layers = layers;
        _heads = heads;
        Pages = pages;
        (KeyWords, ValueWords) = Words(headDim);
        _headWords = (long)(KeyWords + ValueWords) * pages;
        _memory = new NativeBuffer<int>(_headWords * heads * layers);
        _references = new int[pages];
        _next = new int[pages + 1];
        _previous = new int[pages + 1];
        Reset();
    }

    /// <summary>Number of pages.</summary>
    public int Pages { get; }

    /// <summary>Words from one page's keys to the next's.</summary>
    public int KeyWords { get; }

    /// <summary>Words from one page's values to the next's.</summary>
    public int ValueWords { get; }

    /// <summary>Pages in use.</summary>
    public int Used { get; private set; }

    /// <summary>Bytes that one page takes.</summary>
    public static long BytesPerPage(int layers, int heads, int headDim) =>
        (long)layers * heads * (Words(headDim).Keys + Words(headDim).Values) * sizeof(int);

    /// <summary>Keys of page 0 for a layer and head.</summary>
    public int* Keys(int layer, int head) => _memory.Pointer + ((long)layer * _heads + head) * _headWords;

    /// <summary>Values of page 0 for a layer and head.</summary>
    public int* Values(int layer, int head) => Keys(layer, head) + (long)Pages * KeyWords;

    /// <summary>Takes a page with one reference: the preferred one if it is free, else the one freed last.</summary>
    public int Allocate(int preferred)
    {
        if (Used == Pages)
            throw new InvalidOperationException($"All {Pages} pages of the key/value cache are in use.");
        var page = _references[preferred] == 0 ? preferred : _next[Pages];
        (_next[_previous[page]], _previous[_next[page]]) = (_next[page], _previous[page]);
        _references[page] = 1;
        Used++;
        return page;
    }

    /// <summary>Adds a reference.</summary>
    public void Share(int page) => _references[page]++;

    /// <summary>Drops a reference; the page is free after the last one.</summary>
    public void Release(int page)
    {
        if (--_references[page] > 0)
            return;
        (_next[page], _previous[page]) = (_next[Pages], Pages);
        _previous[_next[page]] = page;
        _next[Pages] = page;
        Used--;
    }

    /// <summary>Frees every page.</summary>
    public void Reset()
    {
        Array.Clear(_references);
        for (var i = 0; i <= Pages; i++)
        {
            _next[i] = i == Pages ? 0 : i + 1;
            _previous[i] = i == 0 ? Pages : i - 1;
        }

        Used = 0;
    }

    /// <summary>Copies a page's keys and values of all layers.</summary>
    public void Copy(int from, int to)
    {
        for (var layer = 0; layer < _layers; layer++)
        {
            for (var head = 0; head < _heads; head++)
            {
                int* keys = Keys(layer, head), values = Values(layer, head);
                NativeMemory.Copy(keys + (long)from * KeyWords, keys + (long)to * KeyWords, (nuint)KeyWords * sizeof(int));
                NativeMemory.Copy(values + (long)from * ValueWords, values + (long)to * ValueWords, (nuint)ValueWords * sizeof(int));
            }
        }
    }

    public void Dispose() => _memory.Dispose();

    // Units, then quads.
    private static (int Keys, int Values) Words(int headDim) => (PageSize * (1 + (headDim + 3) / 4 * 3), PageSize + PageSize / 4 * PackedPage.ValueQuads(headDim));
}
