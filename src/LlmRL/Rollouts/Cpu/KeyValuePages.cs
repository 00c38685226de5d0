using System.Runtime.InteropServices;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>
/// The key/value cache in pages of 16 positions with reference counts, so that the samples of one prompt share its full pages
/// (paged attention: Kwon et al. 2023, arXiv 2309.06180). Per layer and key/value head lie all pages' keys, (E, 16) each, one vector
/// register per feature, and then all pages' values, (16, Ē) each, with Ē = E rounded up to 16. Reading the cache is bound by memory, and pages that
/// follow one another there are read half as fast again as scattered ones, so a page is asked for by the number it should have.
/// </summary>
internal sealed unsafe class KeyValuePages : IDisposable
{
    /// <summary>Positions in a page.</summary>
    public const int PageSize = 16;

    private readonly int _layers, _heads;
    private readonly NativeBuffer<float> _memory;
    private readonly int[] _references;
    private readonly int[] _next, _previous; // the free pages, a ring through the entry behind the last page
    private readonly long _headFloats;

    public KeyValuePages(int layers, int heads, int headDim, int pages)
    {
        _layers = layers;
        _heads = heads;
        Pages = pages;
        KeyFloats = headDim * PageSize;
        ValueStride = (headDim + 15) / 16 * 16;
        ValueFloats = PageSize * ValueStride;
        _headFloats = (long)(KeyFloats + ValueFloats) * pages;
        _memory = new NativeBuffer<float>(_headFloats * heads * layers);
        _references = new int[pages];
        _next = new int[pages + 1];
        _previous = new int[pages + 1];
        Reset();
    }

    /// <summary>Number of pages.</summary>
    public int Pages { get; }

    /// <summary>Floats from one page's keys to the next's.</summary>
    public int KeyFloats { get; }

    /// <summary>Floats from one page's values to the next's.</summary>
    public int ValueFloats { get; }

    /// <summary>Ē: floats from one position's values to the next's.</summary>
    public int ValueStride { get; }

    /// <summary>Pages in use.</summary>
    public int Used { get; private set; }

    /// <summary>Bytes that one page takes.</summary>
    public static long BytesPerPage(int layers, int heads, int headDim) =>
        (long)layers * heads * PageSize * (headDim + (headDim + 15) / 16 * 16) * sizeof(float);

    /// <summary>Keys of page 0 for a layer and head.</summary>
    public float* Keys(int layer, int head) => _memory.Pointer + ((long)layer * _heads + head) * _headFloats;

    /// <summary>Values of page 0 for a layer and head.</summary>
    public float* Values(int layer, int head) => Keys(layer, head) + (long)Pages * KeyFloats;

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
                float* keys = Keys(layer, head), values = Values(layer, head);
                NativeMemory.Copy(keys + (long)from * KeyFloats, keys + (long)to * KeyFloats, (nuint)KeyFloats * sizeof(float));
                NativeMemory.Copy(values + (long)from * ValueFloats, values + (long)to * ValueFloats, (nuint)ValueFloats * sizeof(float));
            }
        }
    }

    public void Dispose() => _memory.Dispose();
}
