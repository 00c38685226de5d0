using LlmRL.Models.Lora;
using LlmRL.Numerics;

namespace LlmRL.Models.Kernels;

/// <summary>Widths of a model's activations, in floats per token.</summary>
internal readonly record struct BlockShape(ModelConfig Config)
{
    /// <summary>D.</summary>
    public int Width => Config.HiddenSize;

    /// <summary>(H + 2K)·E: queries, keys, values.</summary>
    public int Qkv => (Config.NumHeads + 2 * Config.NumKeyValueHeads) * Config.HeadDim;

    /// <summary>H + K: heads that rotate.</summary>
    public int TurningHeads => Config.NumHeads + Config.NumKeyValueHeads;

    /// <summary>(H + K)·E: queries and keys.</summary>
    public int QueryKey => TurningHeads * Config.HeadDim;

    /// <summary>H·E.</summary>
    public int Mixed => Config.NumHeads * Config.HeadDim;

    /// <summary>F.</summary>
    public int Inner => Config.IntermediateSize;

    /// <summary>What the MLP's first layer gives: 2F for SwiGLU, else F.</summary>
    public int Up => Config.Mlp == MlpKind.SwiGlu ? 2 * Inner : Inner;
}

/// <summary>Rows in tiles whose bounds depend on their number alone: long enough for products to run at full speed, many enough to share out evenly.</summary>
internal readonly struct RowTiles
{
    private const int Smallest = 64, Largest = 256, Most = 20, CountUnit = 4, SizeUnit = 8;
    private readonly int _rows;

    public RowTiles(int rows)
    {
        _rows = rows;
        // Tiles of equal size, a multiple of four of them, keep two or four threads equally busy. Of the sizes, the one whose last tiles are filled best.
        var fewest = Ceiling(Ceiling(rows, Largest), CountUnit) * CountUnit;
        Size = SizeFor(fewest);
        for (var count = fewest + CountUnit; count <= Most && Ceiling(rows, count) >= Smallest; count += CountUnit)
            if (Padded(SizeFor(count)) <= Padded(Size))
                Size = SizeFor(count);
        Count = Ceiling(rows, Size);
    }

    /// <summary>Rows of every tile but the last.</summary>
    public int Size { get; }

    /// <summary>Number of tiles.</summary>
    public int Count { get; }

    /// <summary>First row of a tile and how many it has.</summary>
    public (int Start, int Rows) this[int tile] => (tile * Size, Math.Min(Size, _rows - tile * Size));

    private int SizeFor(int count) => Math.Max(Smallest, Ceiling(Ceiling(_rows, count), SizeUnit) * SizeUnit);

    /// <summary>Rows that four threads would be busy for, together.</summary>
    private int Padded(int size) => Ceiling(Ceiling(_rows, size), CountUnit) * CountUnit * size;

    private static int Ceiling(int dividend, int divisor) => (dividend + divisor - 1) / divisor;
}

/// <summary>What one block's forward pass leaves for its backward pass; rows of all N tokens. Where R rows alone are read, what follows the uppermost attention is of those.</summary>
internal unsafe struct LayerActivations
{
    /// <summary>The block's input (N, D); μ and r of its first norm (N).</summary>
    public float* X, Mean, Inverse;

    /// <summary>Queries, keys and values, rotated, (N, (H + 2K)·E).</summary>
    public float* Qkv;

    /// <summary>Queries and keys before their norm, (N, (H + K)·E), and the r of each head's norm, (N, H + K); null where there is none.</summary>
    public float* QueryKey, HeadInverse;

    /// <summary>log Σ e^score, (N, H), and attention's output (N, H·E).</summary>
    public float* LogSumExp, Mixed;

    /// <summary>After attention (N, D); μ and r of the second norm (N).</summary>
    public float* Middle, MiddleMean, MiddleInverse;

    /// <summary>What the MLP's first layer gave, (N, 2F or F); null where nothing is kept.</summary>
    public float* Up;

    /// <summary>U of the adapters of each weight (see <see cref="LoraProduct"/>), (N, ranks); null where it has none.</summary>
    public float* LoraQkv, LoraOutput, LoraUp, LoraDown;
}

/// <summary>
/// The activations of one forward pass in one block of borrowed memory. Where no backward pass follows, all layers share one layer's part of it; where it computes them
/// again, layers have nothing of their own but what a layer starts from.
/// </summary>
internal sealed unsafe class Activations : IDisposable
{
    private readonly LayerActivations[] _layers;
    private readonly int _rows, _readRows;
    private LayerActivations _tail;
    private readonly BufferLease _memory;
    private readonly LoraKernels? _lora;

    /// <summary>Borrows the memory.</summary>
    /// <param name="shape">The widths.</param>
    /// <param name="rows">N.</param>
    /// <param name="keep">Whether a backward pass follows.</param>
    /// <param name="lora">The adapters.</param>
    /// <param name="inputsOnly">Whether it computes layers again.</param>
    /// <param name="readRows">R: rows whose final hidden states are read; null: all.</param>
    public Activations(BlockShape shape, int rows, bool keep, LoraKernels? lora = null, bool inputsOnly = false, int? readRows = null)
    {
        (Kept, InputsOnly, _lora) = (keep, keep && inputsOnly, lora);
        (_rows, _readRows) = (rows, readRows ?? rows);
        var layers = shape.Config.NumLayers;
        _layers = new LayerActivations[layers + 1];
        // Once to count, once to hand out.
        Floats = (long)Assign(null, shape, layers) / sizeof(float);
        _memory = new BufferLease(Floats);
        Assign(_memory.Pointer, shape, layers);
    }

    /// <summary>How many floats they take.</summary>
    public long Floats { get; }

    /// <summary>What follows a layer's attention: its activations, or, of the uppermost layer where not all rows are read, those of the R rows that are.</summary>
    public ref LayerActivations AfterAttention(int layer)
    {
        if (_readRows < _rows && layer == _layers.Length - 2)
            return ref _tail;
        return ref _layers[layer];
    }

    /// <summary>Whether a backward pass will read them.</summary>
    public bool Kept { get; }

    /// <summary>Whether of each layer only its input is kept (and U of its adapters): the rest is that of the layer computed last.</summary>
    public bool InputsOnly { get; }

    /// <summary>A layer's activations; those of layer L hold the last norm's input, μ and r only.</summary>
    public ref LayerActivations this[int layer] => ref _layers[layer];

    public void Dispose() => _memory.Dispose();

    private float* Assign(float* at, BlockShape shape, int layers)
    {
        var rows = _rows;
        float* Take(int width)
        {
            var taken = at;
            at += ((long)rows * width + Lanes.Width - 1) / Lanes.Width * Lanes.Width;
            return taken;
        }

        var hasMean = shape.Config.Norm == NormKind.LayerNorm;
        for (var i = 0; i <= layers; i++)
        {
            ref var layer = ref _layers[i];
            if (i > 0 && !Kept)
            {
                layer = _layers[0];
                continue;
            }

            // Above the uppermost attention.
            if (i == layers)
                rows = _readRows;
            var shares = i > 0 && InputsOnly;
            if (shares)
                layer = _layers[0];
            layer.X = Take(shape.Width);
            layer.Inverse = Take(1);
            layer.Mean = hasMean ? Take(1) : null;
            if (i == layers)
                break;
            if (_lora is not null)
                TakeLora(ref layer, i);
            if (shares)
                continue;
            layer.Qkv = Take(shape.Qkv);
            layer.QueryKey = shape.Config.QkNorm ? Take(shape.QueryKey) : null;
            layer.HeadInverse = shape.Config.QkNorm ? Take(shape.TurningHeads) : null;
            layer.LogSumExp = Take(shape.Config.NumHeads);
            layer.Mixed = Take(shape.Mixed);
            // Where layers share memory, that of the others has all rows.
            if (i == layers - 1 && Kept && !InputsOnly)
                rows = _readRows;
            layer.Middle = Kept ? Take(shape.Width) : layer.X;
            layer.MiddleInverse = Take(1);
            layer.MiddleMean = hasMean ? Take(1) : null;
            layer.Up = Kept ? Take(shape.Up) : null;
        }

        if (_readRows < _rows)
            TakeTail();
        return at;

        // Its input and attention's output, gathered; the rest lies where that of the layer does.
        void TakeTail()
        {
            _tail = _layers[layers - 1];
            rows = _readRows;
            _tail.X = Take(shape.Width);
            _tail.Mixed = Take(shape.Mixed);
            if (Kept)
                return;
            // All layers share their memory, which other threads still gather from.
            _tail.Middle = _tail.X;
            _layers[layers].X = _tail.X;
        }

        void TakeLora(ref LayerActivations layer, int index)
        {
            // Where all layers share this memory, it serves the widest.
            int Width(LoraPlace place) => Kept ? _lora.Width(index, place) : _lora.Width(place);
            layer.LoraQkv = Take(Width(LoraPlace.Qkv));
            layer.LoraOutput = Take(Width(LoraPlace.Output));
            layer.LoraUp = Take(Width(LoraPlace.Up));
            layer.LoraDown = Take(Width(LoraPlace.Down));
        }
    }
}
