using LlmRL.Numerics;
using System.Runtime.InteropServices;

namespace LlmRL.Rollouts.Cpu;

/// <summary>
/// The key/value cache in pages of 16 positions with reference counts, so that the samples of one prompt share its full pages
/// (paged attention: Kwon et al. 2023, arXiv 2309.06180). A page holds, per layer and key/value head, the keys as (E, 16), one vector
/// register per feature, and the values as (16, Ē), with Ē = E rounded up to 16.
/// </summary>
internal sealed unsafe class KeyValuePages : IDisposable
{
    /// <summary>Positions in a page.</summary>
    public const int PageSize = 16;

    private readonly int _layers, _heads;
    private readonly NativeBuffer<float> _memory;
    private readonly int[] _references;
    private readonly int[] _free;
    private readonly long _headFloats, _pageFloats, _layerFloats;
    private int _freeCount;

    public KeyValuePages(int layers, int heads, int headDim, int pages)
    {
        _layers = layers;
        _heads = heads;
        Pages = pages;
        KeyFloats = headDim * PageSize;
        ValueStride = (headDim + 15) / 16 * 16;
        _headFloats = KeyFloats + PageSize * ValueStride;
        _pageFloats = _headFloats * heads;
        _layerFloats = _pageFloats * pages;
        _memory = new NativeBuffer<float>(_layerFloats * layers);
        _references = new int[pages];
        _free = new int[pages];
        Reset();
    }

    /// <summary>Number of pages.</summary>
    public int Pages { get; }

    /// <summary>Floats of keys in a head's part of a page; the values follow.</summary>
    public int KeyFloats { get; }

    /// <summary>Ē: floats from one position's values to the next's.</summary>
    public int ValueStride { get; }

    /// <summary>Floats from a page to the next, of the same layer and head.</summary>
    public long PageStride => _pageFloats;

    /// <summary>Pages in use.</summary>
    public int Used => Pages - _freeCount;

    /// <summary>Bytes that one page takes.</summary>
    public static long BytesPerPage(int layers, int heads, int headDim) =>
        (long)layers * heads * PageSize * (headDim + (headDim + 15) / 16 * 16) * sizeof(float);

    /// <summary>Keys, then values, of page 0 for a layer and head.</summary>
    public float* Base(int layer, int head) => _memory.Pointer + layer * _layerFloats + head * _headFloats;

    /// <summary>Takes a page with one reference. The page last freed comes first, since it is most likely in a cache.</summary>
    public int Allocate()
    {
        if (_freeCount == 0)
            throw new InvalidOperationException($"All {Pages} pages of the key/value cache are in use.");
        var page = _free[--_freeCount];
        _references[page] = 1;
        return page;
    }

    /// <summary>Adds a reference.</summary>
    public void Share(int page) => _references[page]++;

    /// <summary>Drops a reference; the page is free after the last one.</summary>
    public void Release(int page)
    {
        if (--_references[page] == 0)
            _free[_freeCount++] = page;
    }

    /// <summary>Frees every page.</summary>
    public void Reset()
    {
        Array.Clear(_references);
        for (var i = 0; i < Pages; i++)
            _free[i] = Pages - 1 - i;
        _freeCount = Pages;
    }

    /// <summary>Copies a page's keys and values of all layers.</summary>
    public void Copy(int from, int to)
    {
        for (var layer = 0; layer < _layers; layer++)
        {
            var start = _memory.Pointer + layer * _layerFloats;
            NativeMemory.Copy(start + from * _pageFloats, start + to * _pageFloats, (nuint)(_headFloats * _heads * sizeof(float)));
        }
    }

    public void Dispose() => _memory.Dispose();
}
