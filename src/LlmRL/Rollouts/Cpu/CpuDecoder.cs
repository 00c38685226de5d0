using LlmRL.Models;
using LlmRL.Numerics;

namespace LlmRL.Rollouts.Cpu;

/// <summary>Takes logits as they become available, on the thread that made them available.</summary>
internal unsafe interface ILogitConsumer
{
    /// <summary>Handles the logits of one row (V floats). Called once per row, at the same time from several threads for different rows.</summary>
    void Consume(int worker, int row, float* logits);
}

/// <summary>
/// A decoder-only transformer on raw float32 weights. One <see cref="Forward"/> takes a batch of columns, each a token at a position of a
/// sequence: columns of a prompt (its K/V are written before anything attends) and single tokens of sequences being sampled mix freely.
/// A column's result depends on its own sequence alone, bit for bit.
/// </summary>
internal sealed unsafe partial class CpuDecoder : IParallelBody, IDisposable
{
    private const int Lanes = PanelProduct.Lanes, LogitChunk = 64, AttentionItems = 16, LargeLogits = 1 << 22;
    private const int PhasesPerLayer = 8, OtherPhases = 10;

    private readonly DecoderWeights _weights;
    private readonly ModelConfig _config;
    private readonly WorkerPool _pool;
    private readonly int _queryWidth, _qkvWidth, _upWidth, _logitStride, _featureSplit, _innerSplit;
    private readonly bool _isPair;
    private readonly float _epsilon;
    private readonly NativeBuffer<int> _columns;
    private readonly NativeBuffer<float> _residual, _normed, _partial, _qkv, _attended, _outputs, _decoded, _up, _rotary, _logitPanels;
    private NativeBuffer<int> _tables;
    private NativeBuffer<float> _angles, _scores, _logits;
    private NativeBuffer<nint> _pagePointers;
    private int _scoreFloats, _columnCount, _logitRows;
    private ILogitConsumer? _consumer;

    /// <summary>Makes buffers for up to <paramref name="maxColumns"/> columns a batch.</summary>
    public CpuDecoder(DecoderWeights weights, int maxColumns, int threads)
    {
        _weights = weights;
        _config = weights.Config;
        MaxColumns = (maxColumns + Lanes - 1) / Lanes * Lanes;
        _pool = new WorkerPool(threads, _config.NumLayers * PhasesPerLayer + OtherPhases);
        _queryWidth = _config.NumHeads * _config.HeadDim;
        _qkvWidth = (_config.NumHeads + 2 * _config.NumKeyValueHeads) * _config.HeadDim;
        _upWidth = _config.Mlp == MlpKind.SwiGlu ? 2 * _config.IntermediateSize : _config.IntermediateSize;
        _logitStride = (_config.VocabSize + Lanes - 1) / Lanes * Lanes;
        _epsilon = (float)_config.NormEpsilon;
        _columns = new NativeBuffer<int>(4L * MaxColumns);
        _featureSplit = CanHalve(_config) ? _queryWidth / 2 : _queryWidth;
        _innerSplit = CanHalve(_config) ? (_config.IntermediateSize / 2 + PanelProduct.TileRows - 1) / PanelProduct.TileRows * PanelProduct.TileRows : _config.IntermediateSize;
        _isPair = IsPair(_config, threads);
        _residual = new NativeBuffer<float>((_isPair ? 2L : 1) * MaxColumns * _config.HiddenSize);
        _partial = new NativeBuffer<float>(_isPair ? 4L * MaxColumns * _config.HiddenSize : 0);
        _normed = new NativeBuffer<float>((NormsAreShared ? 1L : threads) * MaxColumns * _config.HiddenSize);
        _qkv = new NativeBuffer<float>((long)MaxColumns * _qkvWidth);
        _attended = new NativeBuffer<float>((long)MaxColumns * _queryWidth);
        _outputs = new NativeBuffer<float>((long)threads * (_queryWidth / _config.NumKeyValueHeads));
        _up = new NativeBuffer<float>((long)MaxColumns * _upWidth);
        _rotary = new NativeBuffer<float>((long)MaxColumns * (_config.RotaryDim + 1));
        _logitPanels = new NativeBuffer<float>((long)threads * LogitChunk * MaxColumns);
        _decoded = new NativeBuffer<float>((long)threads * Attention.PageFloats(_config.HeadDim));
        _logits = new NativeBuffer<float>(0);
        _tables = new NativeBuffer<int>(0);
        _angles = new NativeBuffer<float>(0);
        _scores = new NativeBuffer<float>(0);
        _pagePointers = new NativeBuffer<nint>(0);
        Pages = new KeyValuePages(_config.NumLayers, _config.NumKeyValueHeads, _config.HeadDim, 0);
    }

    /// <summary>Most columns of a batch.</summary>
    public int MaxColumns { get; }

    /// <summary>Threads that take part.</summary>
    public int Threads => _pool.Threads;

    /// <summary>V.</summary>
    public int VocabSize => _config.VocabSize;

    /// <summary>The key/value cache.</summary>
    public KeyValuePages Pages { get; private set; }

    /// <summary>Pages of the longest sequence.</summary>
    public int PagesPerSequence { get; private set; }

    /// <summary>Token of each column.</summary>
    public int* Tokens => _columns.Pointer;

    /// <summary>Position of each column in its sequence.</summary>
    public int* Positions => _columns.Pointer + MaxColumns;

    /// <summary>Row of each column's sequence in the page tables.</summary>
    public int* Sequences => _columns.Pointer + 2 * MaxColumns;

    /// <summary>Column of each row of logits, in ascending order.</summary>
    public int* LogitColumns => _columns.Pointer + 3 * MaxColumns;

    /// <summary>The page table of a sequence.</summary>
    public int* Table(int sequence) => _tables.Pointer + (long)sequence * PagesPerSequence;

    /// <summary>Takes a page for a sequence's next positions, near its other pages if it can.</summary>
    public int AllocatePage(int sequence, int index) => Pages.Allocate(sequence * PagesPerSequence + index);

    /// <summary>The logits of a row of the last batch.</summary>
    public float* Logits(int row) => _logits.Pointer + (long)row * _logitStride;

    /// <summary>Makes room for sequences of up to <paramref name="maxLength"/> tokens; the cache is empty afterwards.</summary>
    public void Reserve(int sequences, int maxLength)
    {
        var pagesPerSequence = (maxLength + KeyValuePages.PageSize - 1) / KeyValuePages.PageSize;
        if (pagesPerSequence > PagesPerSequence || (long)sequences * pagesPerSequence > Math.Min(Pages.Pages, _tables.Length))
        {
            pagesPerSequence = Math.Max(pagesPerSequence, PagesPerSequence);
            DisposeSequenceBuffers();
            PagesPerSequence = pagesPerSequence;
            var pages = checked(sequences * pagesPerSequence);
            Pages = new KeyValuePages(_config.NumLayers, _config.NumKeyValueHeads, _config.HeadDim, pages);
            _tables = new NativeBuffer<int>(pages);
            _scoreFloats = _config.NumHeads / _config.NumKeyValueHeads * pagesPerSequence * KeyValuePages.PageSize;
            _scores = new NativeBuffer<float>((long)_pool.Threads * _scoreFloats);
            _pagePointers = new NativeBuffer<nint>((long)_pool.Threads * PagePointers(pagesPerSequence));
            _angles = Angles(pagesPerSequence * KeyValuePages.PageSize);
        }

        if (_logits.Length == 0)
            _logits = new NativeBuffer<float>((long)MaxColumns * _logitStride);
        Pages.Reset();
    }

    /// <summary>Gives the logits of a large vocabulary back until the next <see cref="Reserve"/>: training, which comes in between, needs room for its own.</summary>
    public void ReleaseLogits()
    {
        if (_logits.Length < LargeLogits)
            return;
        _logits.Dispose();
        _logits = new NativeBuffer<float>(0);
    }

    /// <summary>
    /// Runs a batch of <paramref name="columns"/> columns that were set in <see cref="Tokens"/>, <see cref="Positions"/> and
    /// <see cref="Sequences"/>, with pages allocated for their positions, and gives the logits of <see cref="LogitColumns"/>.
    /// Afterwards the columns' places are no longer what was set.
    /// </summary>
    public void Forward(int columns, int logitRows, ILogitConsumer? consumer = null)
    {
        for (var row = 0; row < logitRows; row++)
            if (LogitColumns[row] < (row == 0 ? 0 : LogitColumns[row - 1] + 1) || LogitColumns[row] >= columns)
                throw new ArgumentException($"Row {row} of the logits is of column {LogitColumns[row]}: rows go upwards through the {columns} columns.", nameof(logitRows));
        (_columnCount, _logitRows, _consumer) = (columns, logitRows, consumer);
        _pool.Run(this);
        _consumer = null;
    }

    public void Dispose()
    {
        _pool.Dispose();
        DisposeSequenceBuffers();
        foreach (var buffer in new[] { _residual, _normed, _partial, _qkv, _attended, _outputs, _up, _rotary, _logitPanels, _decoded, _logits })
            buffer.Dispose();
        _columns.Dispose();
    }

    private void DisposeSequenceBuffers()
    {
        Pages.Dispose();
        _tables.Dispose();
        _angles.Dispose();
        _scores.Dispose();
        _pagePointers.Dispose();
    }

    private static int PagePointers(int pagesPerSequence) => AttentionItems * 2 * pagesPerSequence + Attention.Ahead;

    // (positions, R): cosines of the R/2 angles, then their sines, from double precision.
    private NativeBuffer<float> Angles(int positions)
    {
        if (_config.Positions != PositionKind.Rotary)
            return new NativeBuffer<float>(0);
        var frequencies = Rope.Frequencies(_config, 0);
        var (half, factor) = (frequencies.Length, Rope.AttentionFactor(_config));
        var angles = new NativeBuffer<float>((long)positions * 2 * half);
        for (var i = 0; i < half; i++)
        {
            for (var position = 0; position < positions; position++)
            {
                var (sin, cos) = Math.SinCos(position * frequencies[i]);
                angles.Pointer[position * 2L * half + i] = (float)(factor * cos);
                angles.Pointer[position * 2L * half + half + i] = (float)(factor * sin);
            }
        }

        return angles;
    }
}
