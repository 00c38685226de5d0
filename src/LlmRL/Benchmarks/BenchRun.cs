using System.Diagnostics;
using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Runs;
using LlmRL.Training;
using TorchSharp;

namespace LlmRL.Benchmarks;

/// <summary>Times the stages themselves: a stage runs as in a recipe, in a temporary run directory, and its own step times are read from there.</summary>
/// <param name="settings">What is measured.</param>
/// <param name="device">Where.</param>
/// <param name="deviceText">What the user sees of it.</param>
public sealed class BenchRun(BenchSettings settings, torch.Device device, string deviceText)
{
    private const string StageName = "bench", StepTime = "step_time", PartPrefix = "time/";
    private const double LearningRate = 1e-4, KlWeight = 0.04;
    private const int Rows = 256;

    /// <summary>Measures a phase, any but <see cref="BenchPhase.Startup"/>, which takes a process of its own.</summary>
    public BenchResult Run(BenchPhase phase)
    {
        var config = settings.ReadConfig();
        var shape = settings.Shape(phase, config);
        OptimizerOffloads.Check(settings.OptimizerOffload, device);
        var (free, dtype) = (FreeDeviceBytes(), WeightTypes.Choose(settings.Dtype, device));
        // The CPU samples from float32 weights in any case.
        var bytes = dtype == torch.ScalarType.BFloat16 && device.type == DeviceType.CUDA ? sizeof(ushort) : sizeof(float);
        var cached = RolloutEngines.DecodesOnDevice(device) ? bytes : TransformerCost.CachedNumberBytes;
        var limit = new MachineLimit(device, (long)TransformerCost.WeightBytes(config, bytes), settings.MatrixSize, dtype);
        limit.Measure();
        ProcessMemory.ForgetPeak();
        var steps = Steps(phase, shape);
        var (peak, taken) = (ProcessMemory.PeakMegabytes(), (free - FreeDeviceBytes()) / 1e6);
        limit.Measure();
        var seconds = Spread.Of(steps.Select(step => step[StepTime]));
        return Describe(phase, config, shape) with
        {
            SecondsPerStep = seconds,
            TokensPerSecond = PhaseCost.Tokens(phase, shape) / seconds.Median,
            PeakRssMb = peak,
            PeakDeviceMb = taken,
            MatmulGflops = limit.FlopsPerSecond / 1e9,
            MatmulGflopsMedian = limit.MedianFlopsPerSecond / 1e9,
            ReadGbps = limit.BytesPerSecond / 1e9,
            // The limit is that of training all weights.
            FractionOfLimit = settings.LoraRank is not null
                ? null
                : PhaseCost.LeastSeconds(phase, config, shape, limit.FlopsPerSecond, limit.BytesPerSecond, bytes, cached) / seconds.Median,
            Parts = new(steps[0].Keys.Where(name => name.StartsWith(PartPrefix, StringComparison.Ordinal))
                .Select(name => KeyValuePair.Create(name[PartPrefix.Length..], Spread.Of(steps.Select(step => step[name])).Median))),
        };
    }

    private double? FreeDeviceBytes() => device.type == DeviceType.CUDA ? torch.cuda.mem_get_info().Free : null;

    /// <summary>Everything of a result that is known beforehand.</summary>
    public BenchResult Describe(BenchPhase phase, ModelConfig config, BenchShape shape) => new()
    {
        Phase = Name(phase),
        Model = settings.ModelName,
        Device = deviceText,
        Dtype = WeightTypes.Name(WeightTypes.Choose(settings.Dtype, device)),
        GradientCheckpointing = settings.GradientCheckpointing,
        OptimizerOffload = KeyNames.Snake(settings.OptimizerOffload.ToString()),
        SecondsPerStep = new(0, 0, 0),
        Flops = PhaseCost.Flops(phase, config, shape),
        Shape = shape,
        Vocabulary = config.VocabSize,
        Parameters = BenchSettings.Parameters(config),
        Steps = settings.Steps,
    };

    /// <summary>A phase as the command line spells it.</summary>
    public static string Name(BenchPhase phase) => phase.ToString().ToLowerInvariant();

    /// <summary>Writes a GRPO recipe of one step with its data and tokenizer into a folder.</summary>
    /// <returns>The recipe's file.</returns>
    public string WriteRecipe(string folder)
    {
        var config = settings.ReadConfig();
        var shape = settings.Shape(BenchPhase.Startup, config);
        var text = new BenchText(config.VocabSize, BenchSettings.Seed);
        var (tokenizer, data, file) = (Path.Combine(folder, "tokenizer"), Path.Combine(folder, "data.jsonl"), Path.Combine(folder, "recipe.yaml"));
        text.Tokenizer().Save(Directory.CreateDirectory(tokenizer).FullName);
        text.Write(data, Rows, BenchPhase.Startup, shape);
        var recipe = Recipe(Stage(BenchPhase.Grpo, shape, text, data) with { Steps = 1 }, tokenizer);
        AtomicFile.WriteAllText(file, RecipeWriter.Write(recipe));
        return file;
    }

    private IReadOnlyList<IReadOnlyDictionary<string, double>> Steps(BenchPhase phase, BenchShape shape)
    {
        var config = settings.ReadConfig();
        var folder = Directory.CreateTempSubdirectory("llmrl-bench-");
        try
        {
            var text = new BenchText(config.VocabSize, BenchSettings.Seed);
            var data = Path.Combine(folder.FullName, "data.jsonl");
            text.Write(data, Rows, phase, shape);
            var stage = Stage(phase, shape, text, data);
            using var console = RunConsole.Create(TextWriter.Null, TimeProvider.System, live: false);
            var directory = RunDirectory.Create(Path.Combine(folder.FullName, "run"));
            using var log = new RunLog(directory, console, TimeProvider.System, StageName);
            var environment = new RunEnvironment
            {
                Recipe = Recipe(stage, "bytes"),
                Tokenizer = text.Tokenizer(),
                Device = device,
                Console = console,
                Time = TimeProvider.System,
                IgnoresStops = true,
                Directory = directory,
                Log = log,
            };
            var context = new StageContext(stage, environment);
            return phase switch
            {
                BenchPhase.Generate => Generate((OnlineStage)stage, context, shape),
                BenchPhase.LogProbs => LogProbs((OnlineStage)stage, context, shape),
                _ => Learn(stage, context, PhaseCost.Tokens(phase, shape)),
            };
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A whole stage; its times are those that every run logs.</summary>
    private IReadOnlyList<IReadOnlyDictionary<string, double>> Learn(TrainingStage stage, StageContext context, long tokens)
    {
        stage.Run(context);
        Expect(tokens * stage.Steps, (long)context.Logged("num_tokens").Last());
        return [.. MetricsReader.Read(context.Run.Directory.TimingsPath).Select(row => row.Values).Skip(settings.WarmUp)];
    }

    private IReadOnlyList<IReadOnlyDictionary<string, double>> Generate(OnlineStage stage, StageContext context, BenchShape shape)
    {
        using var policy = context.LoadModel(stage.Policy, trainable: false);
        using var sampler = new PolicySampler(policy, context);
        var data = context.Open(stage.Data);
        var options = new SamplingOptions { Temperature = stage.Temperature, MaxNewTokens = stage.MaxCompletionLength };
        return Timed(step =>
        {
            var examples = Enumerable.Range(0, shape.Batch).Select(i => data[(step * shape.Batch + i) % data.Count]).ToArray();
            var rollout = sampler.Sample(examples, shape.Group, options, new SampleKey(context.Key("sampling"), (ulong)step), scorer: null);
            Expect(PhaseCost.Tokens(BenchPhase.Generate, shape), rollout.TokenCount);
        });
    }

    private IReadOnlyList<IReadOnlyDictionary<string, double>> LogProbs(OnlineStage stage, StageContext context, BenchShape shape)
    {
        using var models = new OnlineModels(stage, context);
        using var sampler = new TrajectorySampler(stage, context, models.Policy);
        var rollout = sampler.Sample(0, new Dictionary<string, double>());
        Expect(PhaseCost.Tokens(BenchPhase.LogProbs, shape), rollout.TokenCount);
        return Timed(_ => models.AddReferenceLogProbs(rollout, stage.MicroBatchTokens));
    }

    // A shorter batch would make every figure too good.
    private static void Expect(long tokens, long found)
    {
        if (found != tokens)
            throw new InvalidOperationException($"{found} tokens were processed where the batch has {tokens}");
    }

    private List<IReadOnlyDictionary<string, double>> Timed(Action<int> step)
    {
        var times = new List<IReadOnlyDictionary<string, double>>();
        for (var i = 0; i < settings.WarmUp + settings.Steps; i++)
        {
            var start = Stopwatch.GetTimestamp();
            step(i);
            if (i >= settings.WarmUp)
                times.Add(new Dictionary<string, double> { [StepTime] = Stopwatch.GetElapsedTime(start).TotalSeconds });
        }

        return times;
    }

    private Recipe Recipe(TrainingStage stage, string tokenizer) => new()
    {
        Name = StageName,
        Seed = BenchSettings.Seed,
        Model = new ModelSource { Config = Path.GetFullPath(settings.ConfigFile), Tokenizer = tokenizer },
        Stages = [stage],
    };

    private TrainingStage Stage(BenchPhase phase, BenchShape shape, BenchText text, string dataFile)
    {
        var data = new DataSource { Path = dataFile };
        var steps = settings.WarmUp + settings.Steps;
        var policy = LlmRL.Recipes.Recipe.BaseModel;
        var reward = new RegexReward { Pattern = text.RewardPattern };
        var lora = settings.LoraRank is { } rank ? new LoraOptions { R = rank, Alpha = 2 * rank } : null;
        OnlineStage Online(OnlineStage stage) => stage with { Lora = lora, MaxCompletionLength = shape.CompletionLength, PromptsPerStep = shape.Batch, LogCompletionsSteps = 0 };
        OfflineStage Offline(OfflineStage stage) => stage with { Lora = lora, BatchSize = shape.Batch };
        TrainingStage stage = phase switch
        {
            BenchPhase.Sft => Offline(new Sft { Name = StageName, Steps = steps, Data = data }),
            BenchPhase.Reward => Offline(new RewardModel { Name = StageName, Steps = steps, Data = data }),
            BenchPhase.Dpo => Offline(new Dpo { Name = StageName, Steps = steps, Data = data }),
            BenchPhase.Rloo => Online(new Rloo { Name = StageName, Steps = steps, Data = data, Policy = policy, Reward = reward, NumGenerations = shape.Group, Beta = KlWeight }),
            BenchPhase.Ppo => Online(new Ppo { Name = StageName, Steps = steps, Data = data, Policy = policy, Reward = reward, NumGenerations = shape.Group, Beta = KlWeight, NumIterations = 1 }),
            _ => Online(new Grpo { Name = StageName, Steps = steps, Data = data, Policy = policy, Reward = reward, NumGenerations = shape.Group, Beta = KlWeight }),
        };
        return stage with { Dtype = settings.Dtype, GradientCheckpointing = settings.GradientCheckpointing, OptimizerOffload = settings.OptimizerOffload, LearningRate = LearningRate };
    }
}
