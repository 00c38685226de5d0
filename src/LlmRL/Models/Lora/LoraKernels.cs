using LlmRL.Models.Kernels;
using LlmRL.Native;
using LlmRL.Numerics;
using static TorchSharp.torch;

namespace LlmRL.Models.Lora;

/// <summary>
/// The low-rank part of a linear layer and its gradients over rows, y += s·B·A·x. With U = s·x·Aᵀ and G = s·dy·B: y += U·Bᵀ, dx += G·A, ∂A = Gᵀ·x, ∂B = dyᵀ·U.
/// </summary>
internal sealed unsafe class LoraProduct
{
    private readonly float* _a, _gradA;
    private readonly Block[] _blocks;
    private readonly int _inputs, _outputs, _rank;
    private readonly float _scale;

    public LoraProduct(LoraAdapters adapters, LoraLinear linear)
    {
        (_inputs, _outputs, _rank, _scale) = (linear.Inputs, linear.Outputs, adapters.Options.R, (float)adapters.Options.Scale);
        float* Of(Func<string, Tensor> find, string name, long row) => (float*)NativeTorch.DataPointer(find(name)) + row * _rank;
        float* Gradient(string name, long row) => adapters.Parameters.Trainable ? Of(adapters.Parameters.Gradient, name, row) : null;
        _a = Of(name => adapters.Parameters[name], linear.A, 0);
        _gradA = Gradient(linear.A, 0);
        _blocks = [.. linear.Blocks.Select(block => new Block
        {
            FirstRow = block.FirstRow,
            Rows = block.Rows,
            B = Of(name => adapters.Parameters[name], linear.B, block.FirstAdapterRow),
            GradB = Gradient(linear.B, block.FirstAdapterRow),
        })];
    }

    /// <summary>Columns of U and G: the ranks of all blocks.</summary>
    public int Width => _blocks.Length * _rank;

    /// <summary>y += s·B·A·x; U, (rows, <see cref="Width"/>), is kept.</summary>
    public void Forward(float* x, int rows, float* u, float* y)
    {
        Blas.Sgemm(false, true, rows, Width, _inputs, _scale, x, _inputs, _a, _inputs, 0, u, Width);
        for (var i = 0; i < _blocks.Length; i++)
            Blas.Sgemm(false, true, rows, _blocks[i].Rows, _rank, 1, u + i * _rank, Width, _blocks[i].B, _rank, 1, y + _blocks[i].FirstRow, _outputs);
    }

    /// <summary>dx ← G·A, or dx += G·A; G, (rows, <see cref="Width"/>), is kept.</summary>
    public void InputGradient(float* gradOutput, int rows, float* g, float* gradInput, bool add)
    {
        for (var i = 0; i < _blocks.Length; i++)
            Blas.Sgemm(false, false, rows, _rank, _blocks[i].Rows, _scale, gradOutput + _blocks[i].FirstRow, _outputs, _blocks[i].B, _rank, 0, g + i * _rank, Width);
        Blas.Sgemm(false, false, rows, _inputs, Width, 1, g, Width, _a, _inputs, add ? 1 : 0, gradInput, _inputs);
    }

    /// <summary>Adds the tasks of ∂A and ∂B.</summary>
    public void Cut(List<WeightGradient> tasks, float* gradOutput, float* x, float* u, float* g, int rows)
    {
        WeightGradient.Cut(tasks, g, Width, Width, x, _inputs, FeatureStrides.Rows(_inputs), _gradA, null, rows);
        for (var i = 0; i < _blocks.Length; i++)
            WeightGradient.Cut(tasks, gradOutput + _blocks[i].FirstRow, _outputs, _blocks[i].Rows, u + i * _rank, _rank, FeatureStrides.Rows(Width), _blocks[i].GradB, null, rows);
    }

    private struct Block
    {
        public int FirstRow, Rows;
        public float* B, GradB;
    }
}

/// <summary>The weights of a block that may have adapters, in the order in which tokens pass them.</summary>
internal enum LoraPlace
{
    Qkv,
    Output,
    Up,
    Down,
}

/// <summary>The adapters of all blocks as the CPU's passes read them.</summary>
internal sealed unsafe class LoraKernels
{
    /// <summary>Weights of a block that may have adapters.</summary>
    public const int Places = 4;

    private static readonly string[] s_names = ["qkv", "output", "up", "down"];
    private readonly LoraAdapters _adapters;
    private readonly LoraProduct?[] _products;

    public LoraKernels(LoraAdapters adapters)
    {
        _adapters = adapters;
        _products = new LoraProduct?[adapters.Config.NumLayers * Places];
        for (var i = 0; i < _products.Length; i++)
            _products[i] = adapters.Find($"layers.{i / Places}.{s_names[i % Places]}") is { } linear ? new LoraProduct(adapters, linear) : null;
        Anchor = adapters.Parameters[adapters.Parameters.Specs[0].Name];
    }

    /// <summary>Whether training drops inputs.</summary>
    public bool Drops => _adapters.Options.Dropout > 0;

    /// <summary>Whether they are trained.</summary>
    public bool IsTrainable => _adapters.Parameters.Trainable;

    /// <summary>A trained parameter, through which autograd finds its way to the passes.</summary>
    public Tensor Anchor { get; }

    /// <summary>The adapters of a weight; null where it has none.</summary>
    public LoraProduct? this[int layer, LoraPlace place] => _products[layer * Places + (int)place];

    /// <summary>Columns of a weight's U and G; 0 where it has none.</summary>
    public int Width(int layer, LoraPlace place) => this[layer, place]?.Width ?? 0;

    /// <summary>The widest U and G of a place in any block.</summary>
    public int Width(LoraPlace place) => Enumerable.Range(0, _products.Length / Places).Max(layer => Width(layer, place));

    /// <summary>A pass over a batch.</summary>
    /// <param name="sequences">Its sequences.</param>
    /// <param name="train">Whether a backward pass follows, so that dropout applies.</param>
    public LoraPass Pass(IReadOnlyList<int[]> sequences, bool train)
    {
        var probability = train ? _adapters.Options.Dropout : 0;
        return new LoraPass(this, probability, probability > 0 ? LoraDropout.RowKeys(_adapters.DropoutKey, sequences) : []);
    }
}

/// <summary>The adapters during one pass forward and back.</summary>
internal sealed unsafe class LoraPass(LoraKernels kernels, double dropout, ulong[] rowKeys)
{
    /// <summary>The adapters.</summary>
    public LoraKernels Kernels => kernels;

    /// <summary>Whether inputs are dropped.</summary>
    public bool Drops => dropout > 0;

    /// <summary>What the adapters of a weight read: x itself, or x with features dropped, in <paramref name="target"/>.</summary>
    /// <param name="layer">The block.</param>
    /// <param name="place">The weight.</param>
    /// <param name="start">First row.</param>
    /// <param name="rows">How many.</param>
    /// <param name="x">(rows, width), of the first row on.</param>
    /// <param name="target">(rows, width), which may be x.</param>
    /// <param name="width">Features.</param>
    public float* Drop(int layer, LoraPlace place, int start, int rows, float* x, float* target, int width)
    {
        if (!Drops || kernels[layer, place] is null)
            return x;
        LoraDropout.Apply(rowKeys.AsSpan(start, rows), Number(layer, place), dropout, x, target, width);
        return target;
    }

    /// <summary>The number of a weight for <see cref="LoraDropout"/>.</summary>
    public static int Number(int layer, LoraPlace place) => layer * LoraKernels.Places + (int)place;

    /// <summary>dx += the adapters' part, through dropout; <paramref name="spare"/> has room for (rows, width) where there is any.</summary>
    public void AddInputGradient(int layer, LoraPlace place, int start, int rows, float* gradOutput, float* g, float* gradInput, float* spare, int width)
    {
        if (kernels[layer, place] is not { } product)
            return;
        product.InputGradient(gradOutput, rows, g + (long)start * product.Width, Drops ? spare : gradInput, add: !Drops);
        if (!Drops)
            return;
        Drop(layer, place, start, rows, spare, spare, width);
        for (var i = 0L; i < (long)rows * width; i += Lanes.Width)
        {
            var left = (int)Math.Min(Lanes.Width, (long)rows * width - i);
            Lanes.Store(Lanes.Load(gradInput + i, left) + Lanes.Load(spare + i, left), gradInput + i, left);
        }
    }
}
