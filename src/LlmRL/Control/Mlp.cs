using System.Text.Json;
using LlmRL.Models;
using LlmRL.Runs;
using static TorchSharp.torch;

namespace LlmRL.Control;

/// <summary>
/// A multilayer perceptron with tanh between its layers: h ← tanh(W h + b), the last layer linear. Its parameters lie in one flat buffer under the names that
/// <c>torch.nn.Sequential</c> gives them (<c>0.weight</c>, <c>0.bias</c>, <c>2.weight</c>, …). It lives on the CPU, where networks this small are fastest.
/// </summary>
public sealed class Mlp : IDisposable
{
    private readonly (Tensor Weight, Tensor Bias)[] layers;

    /// <summary>Reserves zeroed weights.</summary>
    /// <param name="inputs">Numbers in an input.</param>
    /// <param name="hiddenSizes">Widths of the hidden layers; none: a linear map.</param>
    /// <param name="outputs">Numbers in an output.</param>
    public Mlp(int inputs, IReadOnlyList<int> hiddenSizes, int outputs)
    {
        int[] sizes = [inputs, .. hiddenSizes, outputs];
        Parameters = new FlatParameters([.. Enumerable.Range(0, sizes.Length - 1).SelectMany(i => new[]
        {
            Spec($"{2 * i}.weight", [sizes[i + 1], sizes[i]]), Spec($"{2 * i}.bias", [sizes[i + 1]]),
        })], CPU, trainable: true);
        layers = [.. Enumerable.Range(0, sizes.Length - 1).Select(i => (Parameters[$"{2 * i}.weight"], Parameters[$"{2 * i}.bias"]))];
    }

    /// <summary>The weights.</summary>
    public FlatParameters Parameters { get; }

    /// <summary>Runs the network.</summary>
    /// <param name="x">(N, inputs).</param>
    /// <returns>(N, outputs), with gradient unless inside <c>no_grad</c>.</returns>
    public Tensor Forward(Tensor x)
    {
        foreach (var (weight, bias) in layers[..^1])
            x = nn.functional.linear(x, weight, bias).tanh();
        return nn.functional.linear(x, layers[^1].Weight, layers[^1].Bias);
    }

    /// <summary>Draws orthogonal weights, √2 times as long in hidden layers, and zeroes the biases.</summary>
    /// <param name="key">Each layer has its own stream.</param>
    /// <param name="outputGain">Length of the last layer's rows: 0.01 makes a policy start near uniform.</param>
    /// <remarks>Saxe, McClelland and Ganguli 2014, arXiv 1312.6120; the gains as in OpenAI's PPO code.</remarks>
    public void Initialize(ulong key, double outputGain)
    {
        using var guard = no_grad();
        Parameters.Values.zero_();
        for (var i = 0; i < layers.Length; i++)
        {
            var weight = layers[i].Weight;
            var values = Orthogonal((int)weight.size(0), (int)weight.size(1), i < layers.Length - 1 ? Math.Sqrt(2) : outputGain, new RandomStream(CounterRandom.Key(key, (ulong)i)));
            using var source = tensor(values, weight.shape);
            weight.copy_(source);
        }
    }

    /// <summary>Writes <c>model.safetensors</c> and <c>config.json</c>.</summary>
    /// <param name="folder">Where; it is created.</param>
    /// <param name="about">What <c>config.json</c> says.</param>
    public void Save(string folder, object about)
    {
        Directory.CreateDirectory(folder);
        WeightWriter.Write(Parameters, adapters: null, folder, long.MaxValue);
        AtomicFile.WriteAllText(Path.Combine(folder, "config.json"), JsonSerializer.Serialize(about, JsonLayout.Indented) + "\n");
    }

    /// <summary>Reads the weights from a folder.</summary>
    /// <exception cref="BadInputException">They are missing or of another shape.</exception>
    public void Load(string folder)
    {
        using var guard = no_grad();
        using var reader = new SafetensorsReader(Path.Combine(folder, WeightFiles.SafetensorsName));
        foreach (var spec in Parameters.Specs)
        {
            if (!reader.Entries.TryGetValue(spec.Name, out var entry) || !entry.Shape.SequenceEqual(spec.Shape))
                throw new BadInputException($"{reader.Path}: tensor {spec.Name} of shape [{string.Join(", ", spec.Shape)}] is missing; the weights belong to another network.");
            var values = new float[entry.Elements];
            reader.Read(entry, values);
            using var source = tensor(values, spec.Shape);
            Parameters[spec.Name].copy_(source);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Parameters.Dispose();

    private static ParameterSpec Spec(string name, long[] shape) => new(name, shape, ParameterInit.Zero, [new ParameterPart(name, shape)]);

    /// <summary>A matrix with orthogonal rows, or columns where there are fewer of these, each of length <paramref name="gain"/>: Gram–Schmidt over normal numbers.</summary>
    private static float[] Orthogonal(int rows, int columns, double gain, RandomStream random)
    {
        var (count, length) = (Math.Min(rows, columns), Math.Max(rows, columns));
        var vectors = new double[count][];
        for (var i = 0; i < count; i++)
        {
            vectors[i] = [.. Enumerable.Range(0, length).Select(_ => random.NextNormal())];
            foreach (var other in vectors.AsSpan(0, i))
            {
                var along = vectors[i].Zip(other, (a, b) => a * b).Sum();
                for (var k = 0; k < length; k++)
                    vectors[i][k] -= along * other[k];
            }

            var norm = Math.Sqrt(vectors[i].Sum(value => value * value));
            for (var k = 0; k < length; k++)
                vectors[i][k] /= norm;
        }

        var values = new float[rows * columns];
        for (var r = 0; r < rows; r++)
        {
            for (var c = 0; c < columns; c++)
                values[r * columns + c] = (float)(gain * (rows <= columns ? vectors[r][c] : vectors[c][r]));
        }

        return values;
    }
}
